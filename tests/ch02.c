/*
 * ch02.c: the exercises of chapter 2, select. Two suites:
 *	ch02		what the server does; on the sanitized build
 *	ch02_counts	which system calls that takes; on the plain build, under strace
 *
 * Every test looks at one way in which the naive server breaks, and leaves
 * what belongs to another exercise alone. So only 2.1 asks whether a server
 * without connections sleeps, and only 2.3 whether one with connections does.
 */
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "exercise.h"

BLACK_BOX_SUITE(ch02);
BLACK_BOX_SUITE(ch02_counts);

/* ---- 2.1 Ask about many at once ---- */

Test(ch02, ex1_one_silent_client_stops_nobody)
{
	struct server *s = server_start_default();

	given("A connects first and is silent, B connects after it");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	expect("B is answered: no call waits for A alone");
	client_ping(b);
	expect("A is answered when it speaks; and D, which connects later");
	client_ping(a);
	client_ping(client_open(s, "D"));
	done(s);
}

Test(ch02, ex1_sleeps_until_asked)
{
	struct server *s = server_start_default();

	given("the server listens, and nobody is connected");
	expect("it sleeps in select");
	expect_no_spin(s);
	expect("A and B connect and say nothing; C, which comes last, is answered, and then again");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	client_ping(c);
	client_ping(c);
	expect("A and B are answered too, however long they were silent");
	client_ping(a);
	client_ping(b);
	client_ping(c);
	done(s);
}

Test(ch02, ex1_ends_when_told)
{
	struct server *s = server_start_default();

	given("clients A and B are connected");
	struct client *clients[] = { client_open(s, "A"), client_open(s, "B") };
	expect("both are answered");
	clients_ping(clients, 2);
	expect_stop(s, "select", clients, 2);
}

Test(ch02_counts, ex1_one_call_reports_them_all)
{
	enum { CLIENTS = 8, OF_THE_HOLD = 2 };
	struct server *s = server_start_traced();

	given("%d clients and a holder are connected; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	expect("they are answered, and answered again after they have all sent PING while the loop was held");
	clients_ping(clients, CLIENTS);
	struct calls c = held_batch(s, holder, clients, CLIENTS);
	expect("one select, %d reads and %d writes have answered the batch", CLIENTS, CLIENTS);
	size_t calls = c.count - OF_THE_HOLD;
	journal_note("measured", "%zu", calls);
	if (calls != 1 + 2 * CLIENTS)
		probe_fail(
			"expected %d system calls for %d requests that wait together, but there were %zu (select %zu, read %zu, write %zu): serve all that one select has reported before you ask again",
			1 + 2 * CLIENTS, CLIENTS, calls, count_of(c, "select", NULL) - 1, count_of(c, "read", NULL) - 1,
			count_of(c, "write", NULL));
	done(s);
}

Test(ch02_counts, ex1_leaves_the_closed_alone)
{
	struct server *s = server_start_traced();

	given("clients A, B, C and a holder are connected; the server is traced");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B");
	struct client *last = client_open(s, "C");
	expect("A, B and C are answered");
	client_ping(a);
	client_ping(last);
	unsigned long long victim = client_id(b);
	uint64_t from = server_quiet(s);
	expect("the loop is held; A sends CLIENT KILL ID <B>, B sends PING: A closes B");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "CLIENT KILL ID %llu\r\n", victim);
	client_send(b, "PING\r\n");
	client_expect(a, ":1\r\n");
	client_expect_end(b, true);
	expect("B's bit is set in the same answer, but B is gone: it leads to no call");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t accepts = count_of(c, "accept4", NULL), reads = count_of(c, "read", NULL);
	if (accepts > 0 || reads != 2)
		probe_fail(
			"expected a read for the holder and a read for A, but there were %zu reads and %zu accept4: conns[fd] is NULL for the listener, and for a descriptor that was closed earlier in this batch",
			reads, accepts);
	client_ping(a);
	done(s);
}

/* ---- 2.2 Replies leave in pieces ---- */

Test(ch02, ex2_others_are_served_meanwhile)
{
	struct server *s = server_start_default();

	given("client A and a slow client are connected");
	struct client *a = client_open(s, "A"), *slow = client_open_slow(s, "the slow client");
	client_ping(a);
	given("the slow client asks for 1 MiB, and takes nothing of what begins to come");
	ask_for_blob(slow);
	expect("A is answered at once: a write to a socket without room returns and does not wait");
	client_ping(a);
	client_ping(a);
	expect("the slow client gets every byte, once it reads");
	client_expect_blob(slow, BLOB_MAX);
	client_ping(slow);
	done(s);
}

Test(ch02, ex2_each_gets_its_own)
{
	enum { CLIENTS = 3, BLOBS = 3 };
	struct server *s = server_start_default();
	struct client *slow[CLIENTS];

	given("%d slow clients ask for %d times 1 MiB each, and take nothing", CLIENTS, BLOBS);
	for (int i = 0; i < CLIENTS; i++) {
		slow[i] = client_open_slow(s, NULL);
		for (int j = 0; j < BLOBS; j++)
			client_send(slow[i], "BLOB %d\r\n", BLOB_MAX);
	}
	expect("all of them begin to get their replies");
	for (int i = 0; i < CLIENTS; i++)
		client_await_bytes(slow[i]);
	expect("each gets every byte in order, the last to ask first");
	for (int i = CLIENTS; i-- > 0;)
		for (int j = 0; j < BLOBS; j++)
			client_expect_blob(slow[i], BLOB_MAX);
	client_ping(slow[0]);
	done(s);
}

Test(ch02_counts, ex2_no_write_waits)
{
	struct server *s = server_start_traced();
	long sum = 0, first = 0;
	size_t writes = 0;

	given("a slow client is connected; the server is traced");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	uint64_t from = server_quiet(s); /* else the write of its PONG might count as the first */
	given("it asks for 1 MiB, and takes nothing until the first bytes are there");
	ask_for_blob(slow);
	expect("it gets every byte, once it reads");
	client_expect_blob(slow, BLOB_MAX);
	client_ping(slow);
	expect("the reply left in pieces: the first write took as much as the socket had room for");
	struct calls c = calls_between(s, from, now_ns());
	for (size_t i = 0; i < c.count && sum < (long)BLOB_REPLY(BLOB_MAX); i++) {
		if (!is_call(&c.all[i], "write", NULL) || c.all[i].result <= 0)
			continue;
		first = writes++ == 0 ? c.all[i].result : first;
		sum += c.all[i].result;
	}
	journal_note("measured", "%ld", first / 1024);
	if (writes < 2)
		probe_fail(
			"expected several short writes, but there was one, which took all %ld bytes and kept the server until the slow client had read nearly all of them",
			sum);
	done(s);
}

/* ---- 2.3 Ask to write only while a reply waits ---- */

Test(ch02_counts, ex3_sleeps_afterwards)
{
	enum { CALLS_MAX = 5 };
	struct server *s = server_start_traced();

	given("a slow client has asked for 1 MiB and got all of it; the server is traced");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	ask_for_blob(slow);
	client_expect_blob(slow, BLOB_MAX);
	client_ping(slow);
	expect("for half a second nobody says anything, and the server sleeps");
	uint64_t from = now_ns();
	poll(NULL, 0, WATCH_MS);
	struct calls c = calls_between(s, from, now_ns());
	/* The write of the last PONG may return after the client has it. */
	if (c.count > 0 && is_call(&c.all[0], "write", NULL)) {
		c.all++;
		c.count--;
	}
	journal_note("measured", "%zu", c.count);
	if (c.count > CALLS_MAX)
		probe_fail(
			"expected no system call, but there were %zu, %zu of them select: it returns at once, as it is asked whether the socket is writable, and an idle socket is",
			c.count, count_of(c, "select", NULL));
	done(s);
}

Test(ch02, ex3_sleeps_while_a_reply_waits)
{
	struct server *s = server_start_default();

	given("client A and a slow client are connected");
	struct client *a = client_open(s, "A"), *slow = client_open_slow(s, "the slow client");
	client_ping(a);
	client_ping(slow);
	expect("the server sleeps while nobody speaks");
	expect_no_spin(s);
	expect("the slow client asks for 1 MiB and takes nothing: A is answered, and the server sleeps until there is room");
	ask_for_blob(slow);
	client_ping(a);
	expect_no_spin(s);
	expect("the slow client gets all of it, once it reads; then the server sleeps again");
	client_expect_blob(slow, BLOB_MAX);
	client_ping(slow);
	expect_no_spin(s);
	done(s);
}

Test(ch02, ex3_asks_each_time_anew)
{
	enum { TIMES = 3 };
	struct server *s = server_start_default();

	given("a slow client is connected");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	expect("%d times it asks for 1 MiB, lets the server wait for room, and then gets all of it", TIMES);
	for (int i = 0; i < TIMES; i++) {
		ask_for_blob(slow);
		client_expect_blob(slow, BLOB_MAX);
		client_ping(slow);
	}
	done(s);
}

/* ---- 2.4 The wall at 1024 ---- */

/* The server has refused `c`, or served nothing yet: once it is quiet, what came unasked is the refusal. */
static bool is_refused(struct client *c)
{
	char byte;

	return recv(client_fd(c), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Those refused are told so and see the end; the others are answered. Returns how many those are. */
static size_t serve_or_refuse(struct client **clients, size_t count)
{
	size_t served = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_refused(clients[i])) {
			client_expect_error(clients[i], "-ERR too many connections");
			client_expect_end(clients[i], false);
		} else {
			client_ping(clients[i]);
			served++;
		}
	}
	return served;
}

Test(ch02, ex4_refuses_what_no_set_can_hold)
{
	enum { CLIENTS = 1600 };

	needs("files");
	needs_descriptors(CLIENTS + 64);
	struct server *s = server_start_default();
	given("the server has %zu descriptors open, and may have more than %d", files_at_rest(s), CLIENTS);
	size_t room = FD_SETSIZE - files_at_rest(s);
	expect("%d clients connect: the server lives", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	server_quiet(s);
	client_ping(clients[0]);
	expect("each is answered, or told \"-ERR too many connections\" and closed");
	size_t served = serve_or_refuse(clients, CLIENTS);
	journal_note("measured", "%zu", served);
	expect("%zu are served: as many as there are descriptors below %d", room, FD_SETSIZE);
	if (served != room)
		probe_fail(
			"expected %zu clients to be served, but %zu were: a set has a bit for each descriptor from 0 to %d, whoever has them",
			room, served, FD_SETSIZE - 1);
	expect("when one of them leaves, its descriptor serves the next who comes");
	client_reset(clients[7]);
	server_quiet(s);
	client_ping(client_open(s, "the next"));
	client_ping(clients[0]);
	done(s);
}

Test(ch02, ex4_a_refusal_leaves_nothing_behind)
{
	enum { CLIENTS = 1100, REFUSALS = 40 };

	needs("files");
	needs_descriptors(CLIENTS + 64);
	struct server *s = server_start_default();
	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("%d others connect, more than a set can hold: the server lives", CLIENTS);
	clients_open(s, CLIENTS);
	server_quiet(s);
	client_ping(a);
	size_t files = files_at_rest(s);
	expect("%d more connect, one after the other, and are refused", REFUSALS);
	for (int i = 0; i < REFUSALS; i++) {
		struct client *c = client_open(s, NULL);
		client_expect_error(c, "-ERR too many connections");
		client_expect_end(c, false);
		client_close(c);
	}
	expect("each of their descriptors was closed");
	expect_files(s, files);
	client_ping(a);
	done(s);
}
