/*
 * ch01.c: the exercises of chapter 1, blocking. Two suites:
 *	ch01		what the server does; on the sanitized build
 *	ch01_counts	which system calls that takes; on the plain build, under strace
 *
 * The starter serves one client at a time. So the tests of 1.1 to 1.3 have one
 * client connected at a time, and only those of 1.4 and 1.5, which comes after
 * it, have more.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "exercise.h"

enum {
	SPIN_US = 50000,     /* long enough for a client to leave before its reply is sent */
	PING_SIZE = 6,	     /* "PING\r\n" */
	PONG_SIZE = 7,	     /* "+PONG\r\n" */
	NOFILE = 16,	     /* descriptors of a server that is to run out of them */
	FULL_CALLS_MAX = 60, /* of a full server in WATCH_MS: a timer every 100 ms, and a few calls at each */
};

BLACK_BOX_SUITE(ch01);
BLACK_BOX_SUITE(ch01_counts);

/* `count` PINGs in one piece, and their replies. */
static void ping_at_once(struct client *c, size_t count)
{
	char *requests = malloc(count * PING_SIZE), *replies = malloc(count * PONG_SIZE);

	for (size_t i = 0; i < count; i++) {
		memcpy(requests + i * PING_SIZE, "PING\r\n", PING_SIZE);
		memcpy(replies + i * PONG_SIZE, "+PONG\r\n", PONG_SIZE);
	}
	client_send_bytes(c, requests, count * PING_SIZE);
	client_expect_bytes(c, replies, count * PONG_SIZE);
	free(requests);
	free(replies);
}

/* ---- 1.1 Requests arrive in pieces ---- */

/* `request` in two pieces, cut at every byte: nothing is answered before the second has come. */
static void cut_everywhere(struct client *c, const char *request, const char *reply)
{
	size_t size = strlen(request);

	for (size_t cut = 1; cut < size; cut++) {
		client_send_bytes(c, request, cut);
		client_expect_silence(c);
		client_send_bytes(c, request + cut, size - cut);
		client_expect(c, "%s", reply);
	}
}

Test(ch01, ex1_a_request_in_two_pieces)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("A sends PING in two pieces, cut at every byte in turn: silence after the first, the reply after the second");
	cut_everywhere(a, "PING\r\n", "+PONG\r\n");
	expect("the same with an array: ECHO hello, in the form that redis-cli sends");
	cut_everywhere(a, "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", "$5\r\nhello\r\n");
	done(s);
}

Test(ch01, ex1_several_requests_in_one_piece)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("A sends three requests and the beginning of a fourth in one piece: three are answered");
	client_send(a, "PING\r\nECHO one\r\nECHO two\r\nECHO th");
	client_expect(a, "+PONG\r\n$3\r\none\r\n$3\r\ntwo\r\n");
	client_expect_silence(a);
	expect("the rest of it comes, in two pieces: the fourth is answered");
	client_send(a, "r");
	client_expect_silence(a);
	client_send(a, "ee\r\n");
	client_expect(a, "$5\r\nthree\r\n");
	done(s);
}

Test(ch01, ex1_more_than_one_read_takes)
{
	enum { SIZE = 60000 };
	struct server *s = server_start_default();
	char *request = malloc(SIZE + 64), head[16];
	int head_size = snprintf(head, sizeof(head), "$%d\r\n", SIZE);
	size_t before = (size_t)sprintf(request, "*2\r\n$4\r\nECHO\r\n%s", head);
	char *text = request + before;

	for (int i = 0; i < SIZE; i++)
		text[i] = (char)i; /* every byte there is: zeros, quotes, line ends */
	memcpy(text + SIZE, "\r\n", 2);
	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("A sends ECHO with %d bytes of any value, in one piece, and gets the same bytes back", SIZE);
	client_send_bytes(a, request, before + SIZE + 2);
	client_expect_bytes(a, head, (size_t)head_size);
	client_expect_bytes(a, text, SIZE + 2);
	client_ping(a);
	free(request);
	done(s);
}

Test(ch01, ex1_an_end_in_the_middle)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s) - 1;
	expect("A sends half a request and then its end of file: the server closes, and answers nothing");
	client_send(a, "PING\r\nPI");
	client_shut_writing(a);
	client_expect(a, "+PONG\r\n");
	client_expect_end(a, false);
	expect("nothing of A is left: its descriptor is closed, and the server sleeps");
	expect_files(s, files);
	expect_no_spin(s);
	expect_served(s, "B");
	done(s);
}

Test(ch01_counts, ex1_a_piece_costs_a_read)
{
	static const char request[] = "PING\r\n";
	struct server *s = server_start_traced();

	given("client A is connected; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	expect("A sends PING one byte at a time, and is answered");
	for (int i = 0; i < PING_SIZE; i++) {
		client_send_bytes(a, request + i, 1);
		server_quiet(s);
	}
	client_expect(a, "+PONG\r\n");
	expect("each byte has cost a read, and the reply a write");
	struct calls c = calls_between(s, from, server_quiet(s));
	journal_note("measured", "%zu", c.count);
	if (count_of(c, "read", NULL) != PING_SIZE || c.count != PING_SIZE + 1)
		probe_fail("expected %d reads and 1 write, but there were %zu system calls: %zu reads, %zu writes",
			   PING_SIZE, c.count, count_of(c, "read", NULL), count_of(c, "write", NULL));
	done(s);
}

/* ---- 1.2 Sixteen requests, two crossings ---- */

Test(ch01_counts, ex2_sixteen_requests)
{
	enum { PINGS = 16 };
	struct server *s = server_start_traced();

	given("client A is connected; the server is traced");
	struct client *a = client_open(s, "A");
	expect("A is answered; then it sends %d PINGs in one piece, and gets %d replies", PINGS, PINGS);
	client_ping(a);
	uint64_t from = server_quiet(s);
	ping_at_once(a, PINGS);
	expect("that took two system calls: one read, one write");
	struct calls c = calls_between(s, from, server_quiet(s));
	if (c.count != 2)
		probe_fail(
			"expected 2 system calls for %d requests that came with one read, but there were %zu (%zu reads, %zu writes): all that is unsent can leave with one write",
			PINGS, c.count, count_of(c, "read", NULL), count_of(c, "write", NULL));
	done(s);
}

Test(ch01_counts, ex2_as_many_writes_as_reads)
{
	enum { PINGS = 2000 };
	struct server *s = server_start_traced();

	given("client A is connected; the server is traced");
	struct client *a = client_open(s, "A");
	expect("A is answered; then it sends %d PINGs in one piece, and gets %d replies", PINGS, PINGS);
	client_ping(a);
	uint64_t from = server_quiet(s);
	ping_at_once(a, PINGS);
	expect("each read was followed by one write at the most");
	struct calls c = calls_between(s, from, server_quiet(s));
	journal_note("measured", "%zu", c.count);
	if (count_of(c, "write", NULL) > count_of(c, "read", NULL))
		probe_fail("expected a write for each read, but there were %zu reads and %zu writes",
			   count_of(c, "read", NULL), count_of(c, "write", NULL));
	done(s);
}

Test(ch01, ex2_bytes_of_any_value)
{
	static const char request[] = "*2\r\n$4\r\nECHO\r\n$7\r\na\0b\nc\0\n\r\nPING\r\n";
	static const char reply[] = "$7\r\na\0b\nc\0\n\r\n+PONG\r\n";
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect("A sends ECHO of bytes with zeros and line ends among them, and a PING behind it: both replies are whole");
	client_send_bytes(a, request, sizeof(request) - 1);
	client_expect_bytes(a, reply, sizeof(reply) - 1);
	client_ping(a);
	done(s);
}

/* ---- 1.3 Outlive the peer ---- */

/* Once all that was sent is dealt with. */
static void expect_alive(struct server *s)
{
	server_quiet(s);
	if (!server_alive(s))
		probe_fail("expected the server to go on, but %s", server_state(s));
}

Test(ch01, ex3_a_reset_ends_one_connection)
{
	struct server *s = server_start_default();

	given("client A is connected, and has been answered");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s) - 1;
	expect("A resets its connection: the server goes on, and answers B");
	client_reset(a);
	expect_alive(s);
	expect_served(s, "B");
	expect("A's connection is closed");
	expect_files(s, files);
	done(s);
}

/* Asks for more than one write takes, and is gone before the first. */
static void ask_and_leave(struct server *s, const char *name)
{
	struct client *c = client_open(s, name);

	client_send(c, "SPIN %d\r\nBLOB %d\r\nBLOB %d\r\n", SPIN_US, BLOB_MAX, BLOB_MAX);
	client_close(c);
}

Test(ch01, ex3_leaves_with_replies_owed)
{
	struct server *s = server_start_default();

	given("the server listens");
	size_t files = files_at_rest(s);
	expect("A asks for two BLOBs of 1 MiB and leaves before the first is sent: the server goes on, and answers B");
	ask_and_leave(s, "A");
	expect_alive(s);
	expect_served(s, "B");
	expect("A's connection is closed, and the server sleeps");
	expect_files(s, files);
	expect_no_spin(s);
	done(s);
}

Test(ch01_counts, ex3_the_write_that_fails)
{
	struct server *s = server_start_traced();
	size_t writes = 0;

	given("the server listens, and is traced");
	uint64_t from = server_quiet(s);
	expect("A asks for two BLOBs of 1 MiB and leaves before the first is sent: the server goes on");
	ask_and_leave(s, "A");
	expect_alive(s);
	expect("a write has failed, and was the last one");
	struct calls c = calls_between(s, from, now_ns());
	const char *error = NULL;
	for (size_t i = 0; i < c.count; i++) {
		if (strcmp(c.all[i].name, "write") && strncmp(c.all[i].name, "send", 4))
			continue;
		error = c.all[i].error;
		writes++;
	}
	journal_note("measured", "%zu", writes);
	if (!error)
		probe_fail("expected the last of %zu writes to fail, as A had left, but it did not", writes);
	done(s);
}

/* Every second call of that name fails with EINTR, from the first that a client causes. strace counts per thread. */
static void interrupt(char *strace, size_t size, const char *call)
{
	struct server *s = server_start_traced();
	struct calls c = calls_between(s, 0, server_quiet(s));

	snprintf(strace, size, "-e inject=%s:error=EINTR:when=%zu+2", call, count_of(c, call, NULL) + 1);
	server_kill(s);
}

static void expect_uninterrupted(const char *call)
{
	enum { PINGS = 8 };
	char strace[80];

	interrupt(strace, sizeof(strace), call);
	struct server *s = server_start_with(NULL, strace, 0);
	given("every second %s that the server makes is interrupted, and fails with EINTR (strace's inject)", call);
	struct client *a = client_open(s, "A");
	expect("A sends %d PINGs, one after the other, and is answered each time", PINGS);
	for (int i = 0; i < PINGS; i++)
		client_ping(a);
	done(s);
}

Test(ch01_counts, ex3_a_read_is_interrupted)
{
	needs("counts");
	expect_uninterrupted("read");
}

Test(ch01_counts, ex3_a_write_is_interrupted)
{
	needs("counts");
	expect_uninterrupted("write");
}

/* As Ctrl-Z and fg do. The kernel cuts a write short that waits for room. */
static void stop_and_continue(struct server *s)
{
	struct timespec step = { 0, 1000000 };
	siginfo_t info = { 0 };

	kill(server_pid(s), SIGSTOP);
	for (int waited = 0; waited < PATIENCE_MS && info.si_pid == 0; waited++) {
		waitid(P_PID, (id_t)server_pid(s), &info, WSTOPPED | WNOHANG);
		nanosleep(&step, NULL);
	}
	if (info.si_pid == 0)
		probe_skip("the server could not be stopped: %s", server_state(s));
	kill(server_pid(s), SIGCONT);
}

Test(ch01, ex3_a_write_is_cut_short)
{
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB and takes nothing, so that the server waits in write");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	client_await_bytes(slow);
	server_quiet(s);
	given("the server is stopped and continued, as by Ctrl-Z and fg: its write returns with a part of the bytes taken");
	stop_and_continue(s);
	expect("the slow client gets every byte, once it reads");
	client_expect_blob(slow, BLOB_MAX);
	client_ping(slow);
	done(s);
}

/* ---- 1.4 One slow client stops everyone ---- */

Test(ch01, ex4_a_silent_client_stops_nobody)
{
	struct server *s = server_start_default();

	given("A connects and is silent, B and C connect after it");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	expect("B is answered while A is silent; so is C, and A when it speaks");
	client_ping(b);
	client_ping(c);
	client_ping(a);
	expect("B and C leave; A is answered as before, and so is D");
	client_close(b);
	client_close(c);
	client_ping(a);
	client_ping(client_open(s, "D"));
	done(s);
}

Test(ch01, ex4_a_slow_client_stops_nobody)
{
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB, and takes nothing of what begins to come");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	client_await_bytes(slow);
	expect("A is answered meanwhile, and the server sleeps");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect_no_spin(s);
	expect("the slow client gets every byte, once it reads");
	client_expect_blob(slow, BLOB_MAX);
	client_ping(a);
	done(s);
}

Test(ch01, ex4_refuses_at_the_bound)
{
	enum { BOUND = 3, REFUSALS = 20 };
	static const char *const words[] = { "--threads", "3", NULL };

	needs("options");
	struct server *s = server_start_with(words, NULL, 0);
	given("the server is started with --threads %d; A, B and C are connected", BOUND);
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	expect("A, B and C are answered");
	client_ping(a);
	client_ping(b);
	client_ping(c);
	size_t files = files_at_rest(s);
	expect("%d others, one after the other, are told \"-ERR too many connections\" and see the end", REFUSALS);
	for (int i = 0; i < REFUSALS; i++) {
		struct client *d = client_open(s, "D");
		client_expect_error(d, "-ERR too many connections");
		client_expect_end(d, false);
		client_close(d);
	}
	expect("each of their descriptors was closed, and A is served as before");
	expect_files(s, files);
	client_ping(a);
	expect("B leaves: there is room for E, and for no more");
	client_send(b, "QUIT\r\n");
	client_expect(b, "+OK\r\n");
	client_expect_end(b, false);
	client_ping(client_open(s, "E"));
	client_expect_error(client_open(s, "F"), "-ERR too many connections");
	done(s);
}

Test(ch01_counts, ex4_a_thread_that_can_not_start)
{
	needs("counts");
	struct server *s = server_start_with(NULL, "-e inject=clone,clone3:error=EAGAIN:when=1", 0);
	given("the system has no thread left when the first client comes (strace's inject: clone fails with EAGAIN)");
	size_t files = files_at_rest(s);
	struct client *a = client_open(s, "A");
	expect("the server closes that connection, and nothing of it is left");
	client_expect_end(a, false);
	expect_files(s, files);
	expect("the next client gets a thread");
	client_ping(client_open(s, "B"));
	done(s);
}

Test(ch01_counts, ex4_what_an_idle_connection_holds)
{
	enum { WARM_UP = 20, CLIENTS = 200, MOST_KIB = 64 };

	needs("memory");
	struct server *s = server_start_default();
	given("%d clients are connected", WARM_UP);
	struct client **first = clients_open(s, WARM_UP);
	expect("they are answered, and %d more of them", CLIENTS);
	for (int i = 0; i < WARM_UP; i++)
		client_ping(first[i]);
	server_quiet(s);
	uint64_t before = server_rss(s);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_ping(clients[i]);
	expect("each holds %d KiB of memory at the most, its stack included", MOST_KIB);
	server_quiet(s);
	uint64_t kib = (server_rss(s) - before) / CLIENTS / 1024;
	journal_note("measured", "%llu", (unsigned long long)kib);
	if (kib > MOST_KIB)
		probe_fail("expected %d KiB at the most, but each connection holds %llu KiB", MOST_KIB,
			   (unsigned long long)kib);
	done(s);
}

/* One after the other, so that there is never more than one thread. */
static void come_and_go(struct server *s, int count)
{
	for (int i = 0; i < count; i++) {
		struct client *c = client_open(s, NULL);
		client_ping(c);
		client_close(c);
		server_quiet(s);
	}
}

Test(ch01_counts, ex4_a_thread_leaves_nothing)
{
	enum { CLIENTS = 300, BOUND = 1024 * 1024 }; /* the stacks of threads that nobody waits for take thrice that */

	needs("memory");
	struct server *s = server_start_default();
	given("some clients have come and gone, so that the server has all the memory it needs");
	come_and_go(s, 20);
	uint64_t before = server_rss(s);
	expect("after %d more the server has not grown: a thread that has ended gives its stack back", CLIENTS);
	come_and_go(s, CLIENTS);
	uint64_t after = server_rss(s);
	if (after > before + BOUND)
		probe_fail(
			"expected the server to grow by less than %d KiB, but it grew by %llu KiB: the stack of a thread is kept until it is joined, unless it is detached",
			BOUND / 1024, (unsigned long long)(after - before) / 1024);
	done(s);
}

/* ---- 1.5 Out of descriptors ---- */

/* Connects clients until the server has no descriptor left, and then one that waits: the last. Returns how many. */
static size_t fill_descriptors(struct server *s, struct client **clients)
{
	size_t count = 0;

	while (count < NOFILE && server_open_files(s) < NOFILE - 1) {
		clients[count] = client_open(s, NULL);
		client_ping(clients[count++]);
	}
	expect("a client takes the last descriptor, and is answered; one more client waits");
	clients[count] = client_open(s, NULL);
	client_ping(clients[count++]);
	clients[count] = client_open(s, "the one that waits");
	client_send(clients[count++], "PING\r\n");
	return count;
}

Test(ch01, ex5_recovers_when_a_client_leaves)
{
	struct client *clients[NOFILE + 1];

	needs("rlimit files");
	struct server *s = server_start_limited(NOFILE);
	given("the server may have %d descriptors, and clients connect until one is left", NOFILE);
	size_t count = fill_descriptors(s, clients);
	expect("the server serves those it has, and sleeps");
	for (size_t i = 0; i + 1 < count; i++)
		client_ping(clients[i]);
	expect_no_spin(s);
	for (int round = 0; round < 3; round++) {
		expect("a client leaves: the one that waits is served");
		client_close(clients[0]);
		clients[0] = clients[count - 1];
		client_expect(clients[0], "+PONG\r\n");
		given("another one waits");
		clients[count - 1] = client_open(s, "the next one that waits");
		client_send(clients[count - 1], "PING\r\n");
	}
	expect("the one that waits loses patience: the others do not notice");
	client_close(clients[count - 1]);
	for (size_t i = 0; i + 1 < count; i++)
		client_ping(clients[i]);
	done(s);
}

/* From outside, as an administrator may. The hard limit stays. */
static void limit_files(struct server *s, size_t most)
{
	struct rlimit limit;

	prlimit(server_pid(s), RLIMIT_NOFILE, NULL, &limit);
	limit.rlim_cur = most;
	if (prlimit(server_pid(s), RLIMIT_NOFILE, &limit, NULL))
		probe_skip("the server's limit on descriptors can not be changed from outside");
}

Test(ch01, ex5_recovers_though_nobody_leaves)
{
	struct client *clients[NOFILE + 1];

	needs("rlimit files");
	struct server *s = server_start_default();
	given("the server is limited to %d descriptors, and clients connect until one is left", NOFILE);
	limit_files(s, NOFILE);
	size_t count = fill_descriptors(s, clients);
	expect("the server sleeps");
	expect_no_spin(s);
	expect("the limit is raised, while nobody leaves and nobody comes: the one that waits is served");
	limit_files(s, 4 * NOFILE);
	client_expect(clients[count - 1], "+PONG\r\n");
	client_ping(clients[0]);
	done(s);
}

Test(ch01_counts, ex5_few_calls_while_full)
{
	struct client *clients[NOFILE + 1];

	needs("rlimit files counts");
	struct server *s = server_start_with(NULL, "", NOFILE);
	given("the server may have %d descriptors, and clients connect until one is left; it is traced", NOFILE);
	size_t count = fill_descriptors(s, clients);
	expect("for half a second nobody says anything, and the server makes %d system calls of any kind at the most",
	       FULL_CALLS_MAX);
	uint64_t from = now_ns();
	poll(NULL, 0, WATCH_MS);
	struct calls c = calls_between(s, from, now_ns());
	journal_note("measured", "%zu", c.count);
	if (c.count > FULL_CALLS_MAX)
		probe_fail(
			"expected %d system calls at the most, but there were %zu, %zu of them accept4: without a descriptor for the next connection it fails at once, again and again",
			FULL_CALLS_MAX, c.count, count_of(c, "accept4", NULL));
	expect("once a client has left, the one that waits is served");
	client_close(clients[0]);
	client_expect(clients[count - 1], "+PONG\r\n");
	done(s);
}
