/*
 * ch07.c: the exercises of chapter 7, the thread pool. Two suites:
 *	ch07		what the server does; on the sanitized build
 *	ch07_counts	which system calls that takes; on the plain build, under strace
 *
 * Work that is to be under way while something else happens waits for a
 * second, and is never awaited: what must come before its reply is looked for
 * before, and whether the reply is there already is asked of the socket.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "exercise.h"

#define DONE	  "+DONE\r\n"
#define LONG_WORK "WORK 0 1000000\r\n"

enum { LONG_HOLD_US = 300000 };

BLACK_BOX_SUITE(ch07);
BLACK_BOX_SUITE(ch07_counts);

/* ---- servers with a pool ---- */

static struct server *start(const char *threads, const char *queue)
{
	return server_start_with((const char *const[]){ "--threads", threads, "--queue", queue, NULL }, NULL, 0);
}

static struct server *start_traced(const char *threads, const char *queue)
{
	needs("counts");
	return server_start_with((const char *const[]){ "--threads", threads, "--queue", queue, NULL }, "", 0);
}

/* How many bytes of replies the client has not read yet. */
static size_t replied(const struct client *c)
{
	char bytes[4096];
	ssize_t n = recv(client_fd(c), bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

/* B is answered, and A, which waits for its work, is not yet. */
static void expect_ping_beside_work(struct client *b, const struct client *a)
{
	client_ping(b);
	if (replied(a) > 0)
		probe_fail(
			"expected B's +PONG before A's +DONE, but it came after: the thread that runs the event loop was busy with A's work");
}

/* ---- what the log says of the workers ---- */

static bool is_workers(struct server *s, const struct crossing *c)
{
	return c->tid != server_pid(s);
}

/* The waits of work: in order of their return. */
static bool is_wait_of_work(struct server *s, const struct crossing *c)
{
	return is_workers(s, c) && (is_call(c, "nanosleep", NULL) || is_call(c, "clock_nanosleep", NULL));
}

/* The most of them that were under way at the same time. */
static size_t most_at_once(struct server *s, struct calls c)
{
	size_t most = 0;

	for (size_t i = 0; i < c.count; i++) {
		size_t now = 0;
		if (!is_wait_of_work(s, &c.all[i]))
			continue;
		for (size_t j = 0; j < c.count; j++)
			now += is_wait_of_work(s, &c.all[j]) && c.all[j].start <= c.all[i].start &&
			       c.all[j].end > c.all[i].start;
		most = now > most ? now : most;
	}
	return most;
}

static size_t workers_calls(struct server *s, struct calls c, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < c.count; i++)
		count += is_workers(s, &c.all[i]) && (!name || is_call(&c.all[i], name, NULL));
	return count;
}

static size_t loops_calls(struct server *s, struct calls c, const char *name)
{
	return count_of(c, name, NULL) - workers_calls(s, c, name);
}

/* ---- 7.1 Never block the loop ---- */

Test(ch07, ex1_ping_beside_waiting_work)
{
	struct server *s = start("1", "8");

	given("clients A and B are connected and quiet");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	client_ping(b);
	server_quiet(s);
	given("A sends WORK that waits for a second");
	client_send(a, LONG_WORK);
	expect("B's PING is answered meanwhile");
	expect_ping_beside_work(b, a);
	expect("A gets its reply when the work is done");
	client_expect(a, DONE);
	done(s);
}

Test(ch07, ex1_ping_beside_computing_work)
{
	struct server *s = start("1", "8");

	given("clients A and B are connected and quiet");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	client_ping(b);
	server_quiet(s);
	given("A sends WORK that computes for a second");
	client_send(a, "WORK 1000000 0\r\n");
	expect("B's PING is answered meanwhile");
	expect_ping_beside_work(b, a);
	done(s);
}

/* Workers that are in the middle of a wait: the kernel says which call a thread sleeps in. */
static size_t workers_that_wait(struct server *s)
{
	char path[64], line[64];
	size_t count = 0;
	DIR *tasks;
	const struct dirent *task;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)server_pid(s));
	tasks = opendir(path);
	while (tasks && (task = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/syscall", (int)server_pid(s), task->d_name);
		FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "re");
		long call = file && fgets(line, sizeof(line), file) ? strtol(line, NULL, 10) : -1;
		count += call == SYS_clock_nanosleep || call == SYS_nanosleep;
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

Test(ch07, ex1_four_workers_work_at_once)
{
	enum { WORKERS = 4, CLIENTS = 5 };
	struct server *s = start("4", "8");

	given("%d clients and a holder are connected and quiet; the pool has %d workers", CLIENTS, WORKERS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	server_quiet(s);
	given("while the loop is held, each sends WORK that waits for a second: the loop finds all of it in one batch");
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], LONG_WORK);
	expect("%d of them are under way at the same time, and one waits for a worker", WORKERS);
	server_quiet(s);
	size_t waiting = workers_that_wait(s);
	if (waiting != WORKERS)
		probe_fail(
			"expected %d workers in the middle of their work, but there are %zu: each job that is put into the queue is work for one more, and nobody works while holding the lock",
			WORKERS, waiting);
	expect("all are answered");
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], DONE);
	done(s);
}

/* How many workers made any call at all. */
static size_t awake(struct server *s, struct calls c)
{
	size_t count = 0;

	for (size_t i = 0; i < c.count; i++) {
		size_t j = 0;
		while (j < i && c.all[j].tid != c.all[i].tid)
			j++;
		count += j == i && is_workers(s, &c.all[i]);
	}
	return count;
}

static size_t futexes(struct server *s, struct calls c)
{
	(void)s;
	return count_of(c, "futex", NULL);
}

/* Of some jobs of `a`, each from a sleeping pool to a sleeping pool: the least that is counted. */
static size_t least_of_a_job(struct server *s, struct client *a, size_t (*counted)(struct server *, struct calls))
{
	enum { ROUNDS = 5 };
	size_t least = SIZE_MAX;

	given("%d times A sends WORK 0 0, and gets its reply", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = server_quiet(s);
		client_send(a, "WORK 0 0\r\n");
		client_expect(a, DONE);
		size_t count = counted(s, calls_between(s, from, server_quiet(s)));
		least = count < least ? count : least;
	}
	return least;
}

Test(ch07_counts, ex1_what_a_sleeping_worker_costs)
{
	struct server *s = start_traced("1", "8");

	given("client A is connected and quiet; the pool's one worker sleeps; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t least = least_of_a_job(s, a, futexes);
	expect("each time the loop wakes the worker by a futex call, and the worker goes back to sleep by one");
	journal_note("measured", "%zu", least);
	if (least < 2)
		probe_fail("expected two futex calls or more, but in one round there were %zu: %s", least,
			   least == 0 ? "nobody slept, and nobody was woken" : "one half of it is missing");
	expect("the worker calls nobody while there is nothing to do: it sleeps on the condition, and does not look now and then");
	uint64_t idle = server_quiet(s);
	expect_no_spin(s);
	size_t looks = workers_calls(s, calls_between(s, idle, now_ns()), NULL);
	if (looks > 0)
		probe_fail("expected no call of the worker in %d ms in which nothing happens, but there were %zu",
			   WATCH_MS, looks);
	done(s);
}

Test(ch07_counts, ex1_one_job_wakes_one_worker)
{
	struct server *s = start_traced("8", "8");

	given("client A is connected and quiet; the pool's 8 workers sleep; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t least = least_of_a_job(s, a, awake);
	expect("each time one worker wakes, and seven sleep on");
	if (least > 1)
		probe_fail(
			"expected one worker to wake for one job, but %zu did, of which all but one found nothing to do",
			least);
	done(s);
}

Test(ch07, ex1_no_work_is_lost)
{
	enum { CLIENTS = 16, EACH = 250 };
	struct server *s = start("4", "64");
	char *requests = calloc(EACH, sizeof("WORK 0 0\r\n")), *replies = calloc(EACH, sizeof(DONE));

	given("%d clients are connected; the pool has 4 workers", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	for (int i = 0; i < EACH; i++) {
		strcat(requests, "WORK 0 0\r\n");
		strcat(replies, DONE);
	}
	given("each sends WORK 0 0, %d times in one piece", EACH);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "%s", requests);
	expect("each gets %d replies: a worker may be woken, and find that another was quicker", EACH);
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], "%s", replies);
	expect("the server sleeps when all is done");
	expect_no_spin(s);
	free(requests);
	free(replies);
	done(s);
}

Test(ch07, ex1_closed_while_its_work_is_out)
{
	struct server *s = start("1", "8");

	given("clients A and B are connected and quiet");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	unsigned long long id = client_id(a);
	client_ping(b);
	size_t files = files_at_rest(s);
	given("A sends WORK that waits for 200 ms");
	client_send(a, "WORK 0 200000\r\n");
	server_quiet(s);
	expect("B's CLIENT KILL closes A while a worker has A's work, and the end of that finds the server well");
	client_send(b, "CLIENT KILL ID %llu\r\n", id);
	client_expect(b, ":1\r\n");
	client_expect_end(a, true);
	client_send(b, "WORK 0 1000\r\n"); /* behind A's */
	client_expect(b, DONE);
	client_ping(b);
	expect("A's descriptor is given back");
	expect_files(s, files - 1);
	done(s);
}

Test(ch07, ex1_reset_while_its_work_is_out)
{
	struct server *s = start("1", "8");

	given("client A and a slow client are connected");
	struct client *a = client_open(s, "A"), *slow = client_open_slow(s, "the slow client");
	client_ping(a);
	client_ping(slow);
	given("the slow client asks for 1 MiB, of which it takes nothing, and for WORK behind that");
	client_send(slow, "BLOB %d\r\nWORK 0 200000\r\n", BLOB_MAX);
	server_quiet(s);
	given("it resets the connection: the server learns it from its next write, while a worker has the work");
	client_reset(slow);
	expect("the server is well when the work comes back, and serves A");
	client_send(a, "WORK 0 1000\r\n");
	client_expect(a, DONE);
	client_ping(a);
	expect_no_spin(s);
	done(s);
}

Test(ch07_counts, ex1_nobody_is_held_for_ever)
{
	needs("memory");
	struct server *s = start("4", "128");

	expect_the_gone_forgotten(s, "WORK 0 0", "+DONE");
	done(s);
}

/* ---- 7.2 Come back to the loop ---- */

/* Where all of the work was done while the loop was held: the index of the loop's first call after that; else 0. */
static size_t call_after_hold(struct server *s, struct calls c, size_t works)
{
	size_t at = 0, within = 0, call;

	while (at < c.count && !is_call(&c.all[at], "read", "SPIN"))
		at++;
	for (call = at + 1; call < c.count && is_workers(s, &c.all[call]); call++)
		;
	if (call >= c.count)
		return 0;
	for (size_t i = at; i < call; i++)
		within += is_wait_of_work(s, &c.all[i]) && c.all[i].end < c.all[call].start;
	return within == works ? call : 0;
}

/* While the loop is held the work of all clients is done. The calls from the end of the hold on; and by all, before. */
static struct calls burst_of_results(struct server *s, struct client *holder, struct client **clients, size_t count,
				     struct calls *all)
{
	enum { TRIES = 3 };

	for (uint32_t i = 0, us = LONG_HOLD_US; i < TRIES; i++, us *= 2) {
		uint64_t from = server_quiet(s);
		for (size_t k = 0; k < count; k++)
			client_send(clients[k], "WORK 0 150000\r\n");
		server_quiet(s);
		server_hold(s, holder, &hold_spin, us);
		for (size_t k = 0; k < count; k++)
			client_expect(clients[k], DONE);
		*all = calls_between(s, from, server_quiet(s));
		size_t call = call_after_hold(s, *all, count);
		if (call > 0)
			return (struct calls){ all->all + call, all->count - call };
	}
	probe_skip("this machine is too busy to hold the server for as long as work takes");
}

Test(ch07_counts, ex2_a_burst_is_one_wake_up)
{
	enum { CLIENTS = 8 };
	struct server *s = start_traced("8", "8");
	struct calls all;

	given("%d clients and a holder are connected and quiet; the pool has as many workers; the server is traced",
	      CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	expect("each client sends WORK; all of it is done while the loop is held, and each gets its reply");
	struct calls after = burst_of_results(s, holder, clients, CLIENTS, &all);
	expect("the workers have told the loop once, by one write: whoever found results there had no need to");
	size_t writes = workers_calls(s, all, "write");
	journal_note("measured", "%zu", writes);
	if (writes != 1)
		probe_fail("expected one write of a worker for %d results, but there were %zu%s", CLIENTS, writes,
			   writes == 0 ? ": how is the loop to know, but by looking again and again?" : "");
	expect("the loop wakes once for all of them");
	size_t waits = loops_calls(s, after, "epoll_wait");
	if (waits != 1)
		probe_fail("expected one epoll_wait for %d results, but there were %zu", CLIENTS, waits);
	done(s);
}

Test(ch07_counts, ex2_nobody_looks_in_vain)
{
	struct server *s = start_traced("1", "8");

	given("client A is connected and quiet; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	given("A sends WORK that waits for 300 ms");
	client_send(a, "WORK 0 300000\r\n");
	expect("A gets its reply");
	client_expect(a, DONE);
	expect("the loop has woken twice: for A's request, and for its result");
	size_t waits = loops_calls(s, calls_between(s, from, server_quiet(s)), "epoll_wait");
	if (waits != 2)
		probe_fail("expected 2 epoll_wait, but there were %zu: the loop need not look, if somebody tells",
			   waits);
	expect("the server makes no call while there is nothing to do");
	expect_calls_at_most(s, 0);
	done(s);
}

/* Under strace every call takes long, and what stands between two calls is a wide gap. */
Test(ch07_counts, ex2_no_result_is_lost)
{
	enum { CLIENTS = 4, ROUNDS = 150 };
	struct server *s = start_traced("4", "8");

	given("%d clients are connected; the pool has as many workers; the server is traced", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	expect("%d times each sends WORK 0 0 and gets its reply: what is done while the loop takes results is told again",
	       ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < CLIENTS; k++)
			client_send(clients[k], "WORK 0 0\r\n");
		for (int k = 0; k < CLIENTS; k++)
			client_expect(clients[k], DONE);
	}
	done(s);
}

/* ---- 7.3 In order ---- */

Test(ch07, ex3_replies_keep_their_order)
{
	struct server *s = start("4", "8");

	given("client A is connected; the pool has 4 workers");
	struct client *a = client_open(s, "A");
	client_ping(a);
	given("A sends WORK and PING in one piece");
	client_send(a, "WORK 0 50000\r\nPING\r\n");
	expect("the replies come in the order of the requests: nothing else says which is which");
	client_expect(a, DONE "+PONG\r\n");
	given("A sends four WORK, the first of which takes longest, with a numbered PING behind each");
	client_send(
		a, "WORK 0 60000\r\nPING 1\r\nWORK 0 1000\r\nPING 2\r\nWORK 0 0\r\nPING 3\r\nWORK 0 100\r\nPING 4\r\n");
	expect("each +DONE stands before its own PING's reply");
	client_expect(a, DONE "$1\r\n1\r\n" DONE "$1\r\n2\r\n" DONE "$1\r\n3\r\n" DONE "$1\r\n4\r\n");
	done(s);
}

Test(ch07, ex3_others_do_not_wait)
{
	struct server *s = start("4", "8");

	given("clients A, B and C are connected and quiet; the pool has 4 workers");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	client_ping(a);
	client_ping(b);
	client_ping(c);
	server_quiet(s);
	given("A sends WORK that waits for a second, and PING behind it");
	client_send(a, LONG_WORK "PING\r\n");
	server_quiet(s);
	expect("B's PING and C's WORK are answered, and A has no reply yet: the order is that of one connection");
	client_ping(b);
	client_send(c, "WORK 0 1000\r\n");
	client_expect(c, DONE);
	if (replied(a) > 0)
		probe_fail("expected nothing for A before its work is done, but %zu bytes have come", replied(a));
	expect("then both replies of A come");
	client_expect(a, DONE "+PONG\r\n");
	done(s);
}

Test(ch07, ex3_the_end_waits_for_the_reply)
{
	struct server *s = start("4", "8");

	given("clients A and B are connected; the pool has 4 workers");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	client_ping(b);
	given("A sends WORK and shuts down its writing side; B sends WORK and QUIT");
	client_send(a, "WORK 0 50000\r\n");
	client_shut_writing(a);
	client_send(b, "WORK 0 50000\r\nQUIT\r\n");
	expect("A gets its reply, and then the end");
	client_expect(a, DONE);
	client_expect_end(a, false);
	expect("B gets both replies, and then the end");
	client_expect(b, DONE "+OK\r\n");
	client_expect_end(b, false);
	done(s);
}

Test(ch07_counts, ex3_one_connection_one_worker)
{
	enum { WORKS = 5 };
	struct server *s = start_traced("4", "8");

	given("client A is connected and quiet; the pool has 4 workers; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	given("A sends %d WORK in one piece, each of which waits for 20 ms", WORKS);
	for (int i = 0; i < WORKS; i++)
		client_send(a, "WORK 0 20000\r\n");
	expect("A gets all its replies");
	for (int i = 0; i < WORKS; i++)
		client_expect(a, DONE);
	expect("one of them was under way at a time: who waits for a reply before the next one keeps the order for nothing");
	size_t most = most_at_once(s, calls_between(s, from, server_quiet(s)));
	journal_note("measured", "%zu", most);
	if (most != 1)
		probe_fail(
			"expected one piece of A's work under way at a time, but there were %zu: which is done first, nobody knows",
			most);
	done(s);
}

/* ---- 7.4 Full is an answer ---- */

Test(ch07, ex4_ping_while_the_pool_is_full)
{
	enum { CLIENTS = 4 };
	struct server *s = start("1", "1");

	given("%d clients and B are connected and quiet; the pool has one worker, and its queue one place", CLIENTS);
	struct client *b = client_open(s, "B"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	client_ping(b);
	server_quiet(s);
	given("each of the %d sends WORK that waits for half a second: for two of them there is no room", CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "WORK 0 500000\r\n");
	expect("B's PING is answered meanwhile, and nobody has a reply yet");
	client_ping(b);
	for (int i = 0; i < CLIENTS; i++) {
		if (replied(clients[i]) > 0)
			probe_fail(
				"expected B's +PONG before any +DONE, but client %d has a reply already: the loop must neither do the work, nor wait for room, nor refuse",
				i + 1);
	}
	expect("each gets its +DONE: work that found the pool full is done when there is room");
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], DONE);
	done(s);
}

Test(ch07, ex4_nothing_is_lost)
{
	enum { CLIENTS = 40, ROUNDS = 5 };
	struct server *s = start("2", "2");

	given("%d clients are connected; the pool has 2 workers, and its queue 2 places", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	expect("%d times all of them send WORK, and all of them get their replies", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < CLIENTS; k++)
			client_send(clients[k], "WORK 0 1000\r\n");
		for (int k = 0; k < CLIENTS; k++)
			client_expect(clients[k], DONE);
	}
	expect("then nobody has another reply, and the server sleeps");
	expect_no_spin(s);
	for (int k = 0; k < CLIENTS; k++)
		client_expect_silence(clients[k]);
	done(s);
}

/* The descriptor of the client whose request this is, and no one else's. */
static int fd_of(struct calls c, const char *request)
{
	for (size_t i = 0; i < c.count; i++) {
		if (is_call(&c.all[i], "read", request))
			return atoi(c.all[i].args);
	}
	probe_fail("the server has not read \"%s\" in one piece", request);
}

/* How many +DONE were written to others before the first to `fd`. */
static size_t replies_before(struct calls c, int fd)
{
	size_t before = 0;

	for (size_t i = 0; i < c.count; i++) {
		if (!is_call(&c.all[i], "write", "+DONE"))
			continue;
		if (atoi(c.all[i].args) == fd)
			return before;
		before++;
	}
	return before;
}

Test(ch07_counts, ex4_first_come_first_served)
{
	enum { BUSY = 2, EACH = 5 };
	struct server *s = start_traced("1", "1");

	given("clients A, B, C, D and a holder are connected and quiet; the pool has one worker, and its queue one place; the server is traced");
	struct client *holder = client_open(s, "the holder"),
		      *busy[BUSY] = { client_open(s, "A"), client_open(s, "B") };
	struct client *c = client_open(s, "C"), *d = client_open(s, "D");
	clients_ping(busy, BUSY);
	client_ping(c);
	client_ping(d);
	uint64_t from = server_quiet(s);
	given("while the loop is held, A and B send %d WORK each, in one piece; then C one, and D one", EACH);
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < BUSY; i++)
		client_send(busy[i], "WORK 0 5000\r\nWORK 0 5000\r\nWORK 0 5000\r\nWORK 0 5000\r\nWORK 0 5000\r\n");
	client_send(c, "WORK 0 5001\r\n");
	client_send(d, "WORK 0 5002\r\n");
	expect("all get their replies");
	for (int i = 0; i < BUSY * EACH; i++)
		client_expect(busy[i % BUSY], DONE);
	client_expect(c, DONE);
	client_expect(d, DONE);
	expect("C's comes behind one of A's and one of B's, and D's next: whoever waits for room is served before work that came later");
	struct calls calls = calls_between(s, from, server_quiet(s));
	size_t before_c = replies_before(calls, fd_of(calls, "WORK 0 5001")),
	       before_d = replies_before(calls, fd_of(calls, "WORK 0 5002"));
	journal_note("measured", "%zu", before_c);
	if (before_c != BUSY || before_d != BUSY + 1)
		probe_fail("expected %d replies before C's and %d before D's, but there were %zu and %zu", BUSY,
			   BUSY + 1, before_c, before_d);
	done(s);
}

Test(ch07_counts, ex4_not_read_while_it_waits_for_room)
{
	enum { PINGS = 3 };
	struct server *s = start_traced("1", "1");

	given("clients A, B and C are connected and quiet; the pool has one worker, and its queue one place; the server is traced");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	client_ping(a);
	client_ping(b);
	client_ping(c);
	uint64_t from = server_quiet(s);
	given("A sends WORK that waits for half a second; B and C send WORK, and there is no room for C's");
	client_send(a, "WORK 0 500000\r\n");
	server_quiet(s);
	client_send(b, "WORK 0 1000\r\n");
	server_quiet(s);
	client_send(c, "WORK 0 1001\r\n");
	server_quiet(s);
	given("C sends %d PING, one after the other", PINGS);
	for (int i = 0; i < PINGS; i++) {
		client_send(c, "PING\r\n");
		server_quiet(s);
	}
	expect("C gets all its replies in the end");
	client_expect(c, DONE);
	for (int i = 0; i < PINGS; i++)
		client_expect(c, "+PONG\r\n");
	expect("until A's work was done, the server read C's WORK, and nothing behind it");
	struct calls calls = calls_between(s, from, server_quiet(s));
	int fd = fd_of(calls, "WORK 0 1001");
	size_t reads = 0;
	for (size_t i = 0; i < calls.count && !is_wait_of_work(s, &calls.all[i]); i++)
		reads += is_call(&calls.all[i], "read", NULL) && atoi(calls.all[i].args) == fd;
	if (reads != 1)
		probe_fail(
			"expected one read of C while there was no room for its work, but there were %zu: what a client sends meanwhile must fill its own buffers, and not the server's",
			reads);
	done(s);
}

/* `size` bytes of empty lines, which ask nothing, and then `request`. */
static char *padded(char *to, size_t size, const char *request)
{
	memset(to, '\n', size);
	return stpcpy(to + size, request);
}

Test(ch07, ex4_from_the_ready_list)
{
	enum { BEFORE = 150000, BEHIND = 850000 };
	struct server *s = start("1", "1");
	char *bytes = malloc(BEFORE + BEHIND + 64), *end = padded(bytes, BEFORE, "WORK 0 1000\r\n");

	end = padded(end, BEHIND, "PING\r\n");
	given("clients A, B, C and a holder are connected; the pool has one worker, and its queue one place: A and B have them for half a second");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B");
	struct client *c = client_open(s, "C");
	client_ping(c);
	client_send(a, "WORK 0 500000\r\n");
	client_send(b, "WORK 0 1000\r\n");
	server_quiet(s);
	given("while the loop is held, C sends so much in one piece that it waits for a turn, and is told of more, when its WORK is found");
	server_hold(s, holder, &hold_spin, 2 * HOLD_US);
	client_send_bytes(c, bytes, (size_t)(end - bytes));
	expect("A and B get their replies, and C its +DONE and its +PONG: one that stands on the ready list is parked as well");
	client_expect(a, DONE);
	client_expect(b, DONE);
	client_expect(c, DONE "+PONG\r\n");
	expect_no_spin(s);
	free(bytes);
	done(s);
}

Test(ch07, ex4_closed_while_it_waits_for_room)
{
	enum { CLIENTS = 4 };
	struct server *s = start("1", "1");

	given("clients 1 to %d and B are connected and quiet; the pool has one worker, and its queue one place",
	      CLIENTS);
	struct client *b = client_open(s, "B"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	unsigned long long id = client_id(clients[2]);
	client_ping(b);
	server_quiet(s);
	given("one after the other they send WORK that waits for 100 ms: for clients 3 and 4 there is no room");
	for (int i = 0; i < CLIENTS; i++) {
		client_send(clients[i], "WORK 0 100000\r\n");
		server_quiet(s);
	}
	expect("B's CLIENT KILL closes client 3; the others get their replies, and the server is well");
	client_send(b, "CLIENT KILL ID %llu\r\n", id);
	client_expect(b, ":1\r\n");
	client_expect_end(clients[2], true);
	for (int i = 0; i < CLIENTS; i++) {
		if (i != 2)
			client_expect(clients[i], DONE);
	}
	client_send(b, "WORK 0 1000\r\n");
	client_expect(b, DONE);
	expect_no_spin(s);
	done(s);
}

/* The pool has work for 30 ms; clients whose work waits for room, with many bytes behind it, are killed meanwhile. */
static void kill_the_parked(struct server *s, struct client *a, struct client **busy)
{
	enum { VICTIMS = 40, SIZE = 12000 };
	static char rest[SIZE + 1];
	unsigned long long ids[VICTIMS];
	struct client **victims = clients_open(s, VICTIMS);

	memset(rest, 'x', SIZE);
	for (int i = 0; i < VICTIMS; i++)
		ids[i] = client_id(victims[i]);
	for (int i = 0; i < 2; i++)
		client_send(busy[i], "WORK 0 30000\r\n");
	server_quiet(s);
	for (int i = 0; i < VICTIMS; i++)
		client_send(victims[i], "WORK 0 0\r\n%s", rest);
	server_quiet(s);
	for (int i = 0; i < VICTIMS; i++) {
		client_send(a, "CLIENT KILL ID %llu\r\n", ids[i]);
		client_expect(a, ":1\r\n");
		client_close(victims[i]);
	}
	for (int i = 0; i < 2; i++)
		client_expect(busy[i], DONE);
	server_quiet(s);
}

Test(ch07_counts, ex4_the_closed_are_let_go)
{
	enum { ROUNDS = 6, BOUND_KIB = 1024 }; /* what is closed and not freed takes more in two rounds */

	needs("memory");
	struct server *s = start("1", "1");
	given("A and two others are connected; the pool has one worker, and its queue one place");
	struct client *a = client_open(s, "A"), **busy = clients_open(s, 2);
	given("the two have work in the pool, 40 more wait for room, and A has these killed");
	kill_the_parked(s, a, busy);
	uint64_t before = server_rss(s);
	expect("%d times more, and the server has not grown: whoever is closed is freed once the list is past it",
	       ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		kill_the_parked(s, a, busy);
	uint64_t after = server_rss(s);
	if (after > before + BOUND_KIB * 1024)
		probe_fail(
			"expected the server to grow by less than %d KiB, but it grew by %llu KiB: who takes a closed connection off a list retires it",
			BOUND_KIB, (unsigned long long)(after - before) / 1024);
	done(s);
}

Test(ch07, ex4_stop_while_the_pool_is_full)
{
	enum { CLIENTS = 5 };
	struct server *s = start("1", "1");

	given("%d clients are connected and quiet; the pool has one worker, and its queue one place", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	server_quiet(s);
	given("each sends WORK that waits for 60 ms, and then the last one a PING, which is not read: there is no room");
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "WORK 0 60000\r\n");
	server_quiet(s);
	client_send(clients[CLIENTS - 1], "PING\r\n");
	server_quiet(s);
	expect("told to stop by SIGTERM, the server does what it has accepted: each gets its +DONE, and the last one its +PONG");
	server_tell(s, SIGTERM);
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], DONE);
	client_expect(clients[CLIENTS - 1], "+PONG\r\n");
	expect("then it ends with status 0");
	server_expect_exit(s);
	done(s);
}

/* ---- 7.5 How many threads ---- */

enum { MEASURED_JOBS = 32, MOST_THREADS = 256 };

/* What the server says of its pool, when it has measured enough to give it its size. */
struct pool {
	long threads, done, cpu_us, wait_us;
	uint64_t took_us; /* a piece of work, as its client sees it */
};

static struct pool sized_by(struct server *s, const char *work)
{
	struct pool p = { 0 };
	struct client *a = client_open(s, "A");

	client_ping(a);
	expect("A sends %s, %d times, one after the other, and gets its replies", work, MEASURED_JOBS);
	uint64_t begun = now_ns();
	for (int i = 0; i < MEASURED_JOBS; i++) {
		client_send(a, "%s\r\n", work);
		client_expect(a, DONE);
	}
	p.took_us = (now_ns() - begun) / MEASURED_JOBS / 1000;
	expect("then the server has given its pool a size, and says on stderr: pool: threads … done … cpu_us … wait_us …");
	const char *line = strstr(server_said(s), "pool: ");
	if (!line || sscanf(line, "pool: threads %ld done %ld cpu_us %ld wait_us %ld", &p.threads, &p.done, &p.cpu_us,
			    &p.wait_us) != 4)
		probe_fail("expected that line, but the server has said \"%s\"", server_said(s));
	return p;
}

static void expect_formula(struct server *s, struct pool p, long cores)
{
	double wanted = (double)cores * (1 + (double)p.wait_us / (double)(p.cpu_us > 0 ? p.cpu_us : 1));
	double most = MOST_THREADS;

	if (wanted > most)
		wanted = most;
	expect("the pool has N(1 + W/S) threads, rounded up or down: N = %ld cores, W = %ld µs, S = %ld µs", cores,
	       p.wait_us, p.cpu_us);
	if ((double)p.threads <= wanted - 1 || (double)p.threads >= wanted + 1)
		probe_fail("expected %.1f threads, rounded, but there are %ld", wanted, p.threads);
	if (server_threads(s) != (size_t)p.threads + 1)
		probe_fail("expected %ld threads and the loop's, but the kernel counts %zu", p.threads,
			   server_threads(s));
}

/* The kernel is to let the server run on these cores only. Returns how many there are. */
static long on_cores(long most)
{
	cpu_set_t ours, some;
	long count = 0;

	sched_getaffinity(0, sizeof(ours), &ours);
	CPU_ZERO(&some);
	for (size_t i = 0; i < CPU_SETSIZE && count < most; i++) {
		if (!CPU_ISSET(i, &ours))
			continue;
		CPU_SET(i, &some);
		count++;
	}
	sched_setaffinity(0, sizeof(some), &some);
	return count;
}

Test(ch07, ex5_work_that_waits)
{
	given("the server may run on one core");
	on_cores(1);
	struct server *s = server_start_default();
	struct pool p = sized_by(s, "WORK 2000 8000");

	journal_note("measured", "%ld", p.threads);
	expect("it has measured that the work waits: for 8,000 µs each, and not much less can be told");
	if (p.wait_us < 6000)
		probe_fail(
			"expected wait_us to be 6,000 or more, but it is %ld: a thread that is done after 10 ms, and was on a core for %ld µs, has waited",
			p.wait_us, p.cpu_us);
	expect_formula(s, p, 1);
	done(s);
}

Test(ch07, ex5_work_that_computes)
{
	given("the server may run on one core");
	on_cores(1);
	struct server *s = server_start_default();
	struct pool p = sized_by(s, "WORK 8000 2000");

	expect("computing and waiting together are no longer than the time that passed");
	if ((uint64_t)(p.cpu_us + p.wait_us) > p.took_us)
		probe_fail(
			"expected cpu_us and wait_us to be %llu together at the most, but they are %ld and %ld: a thread that computes does not wait",
			(unsigned long long)p.took_us, p.cpu_us, p.wait_us);
	expect_formula(s, p, 1);
	done(s);
}

Test(ch07, ex5_for_every_core)
{
	given("the server may run on two cores");
	long cores = on_cores(2);
	if (cores < 2)
		probe_skip("this machine has one core");
	struct server *s = server_start_default();

	expect_formula(s, sized_by(s, "WORK 3000 5000"), cores);
	done(s);
}

Test(ch07, ex5_work_that_only_waits)
{
	given("the server may run on two cores");
	long cores = on_cores(2);
	struct server *s = server_start_default();
	struct pool p = sized_by(s, "WORK 0 40000");

	expect("the pool has %d threads at the most, whatever the formula says of work that hardly computes",
	       MOST_THREADS);
	if (p.threads > MOST_THREADS)
		probe_fail("expected %d threads at the most, but there are %ld", MOST_THREADS, p.threads);
	expect_formula(s, p, cores);
	expect_served(s, "a client");
	done(s);
}
