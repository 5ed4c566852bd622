/*
 * ch03.c: the exercises of chapter 3, poll. Two suites:
 *	ch03		what the server does; on the sanitized build
 *	ch03_counts	which system calls that takes; on the plain build, under strace
 *
 * Every test looks at one way in which the naive server breaks, and leaves
 * what belongs to another exercise alone.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "exercise.h"

BLACK_BOX_SUITE(ch03);
BLACK_BOX_SUITE(ch03_counts);

/* ---- 3.1 An array that grows ---- */

/* Connected in portions, each of which the server has dealt with before the next one comes. */
static struct client **crowd_open(struct server *s, size_t count)
{
	enum { PORTION = 250 };
	struct client **clients = calloc(count, sizeof(*clients));

	for (size_t i = 0; i < count; i++) {
		clients[i] = client_open(s, NULL);
		if (i % PORTION == PORTION - 1)
			server_quiet(s);
	}
	return clients;
}

/* A PING was sent, and the server is quiet: is the answer there? */
static bool is_answered(struct client *c)
{
	char reply[8];

	return recv(client_fd(c), reply, sizeof(reply), MSG_DONTWAIT) == 7;
}

Test(ch03, ex1_as_many_as_there_are_descriptors)
{
	enum { NOFILE = 2500, CLIENTS = 2540 };
	size_t served = 0, first_waiting = 0;

	needs("rlimit files");
	needs_descriptors(CLIENTS + 64);
	struct server *s = server_start_limited(NOFILE);
	size_t room = NOFILE - files_at_rest(s);
	given("the server may have %d descriptors, and has %zu left", NOFILE, room);
	expect("%d clients connect and send PING", CLIENTS);
	struct client **clients = crowd_open(s, CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++)
		client_send(clients[i], "PING\r\n");
	server_quiet(s);
	expect("%zu of them are served: as many as there are descriptors", room);
	for (size_t i = 0; i < CLIENTS; i++) {
		bool answered = is_answered(clients[i]);
		served += answered;
		first_waiting = !answered && first_waiting == 0 ? i : first_waiting;
	}
	journal_note("measured", "%zu", served);
	if (served != room)
		probe_fail("expected %zu clients to be served, but %zu were", room, served);
	expect("the others wait in the backlog, and the server does not spin because they do");
	expect_no_spin(s);
	expect("when one leaves, its descriptor serves the first of those who wait");
	client_reset(clients[3]);
	client_expect(clients[first_waiting], "+PONG\r\n");
	client_ping(clients[0]);
	done(s);
}

Test(ch03, ex1_sleeps_until_asked)
{
	struct server *s = server_start_default();

	given("clients A, B and C are connected and were answered");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	client_ping(c);
	client_ping(a);
	client_ping(b);
	expect("the server sleeps while nobody speaks, and each is answered again afterwards");
	expect_no_spin(s);
	client_ping(a);
	client_ping(b);
	client_ping(c);
	expect_stop(s, "poll", &a, 1);
}

Test(ch03_counts, ex1_one_poll_reports_them_all)
{
	enum { CLIENTS = 8, OF_THE_HOLD = 2 };
	struct server *s = server_start_traced();

	given("%d clients and a holder are connected and were answered; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	given("they have all sent PING while the loop was held, and were answered again");
	struct calls c = held_batch(s, holder, clients, CLIENTS);
	expect("one poll, %d reads and %d writes have answered the batch", CLIENTS, CLIENTS);
	size_t polls = count_of(c, "poll", NULL), calls = c.count - OF_THE_HOLD;
	if (polls == 0)
		probe_fail("expected a poll, but the server asked by %zu select: they end at descriptor 1023",
			   count_of(c, "select", NULL));
	if (calls != 1 + 2 * CLIENTS)
		probe_fail(
			"expected %d system calls for %d requests that wait together, but there were %zu (poll %zu, read %zu, write %zu)",
			1 + 2 * CLIENTS, CLIENTS, calls, polls - 1, count_of(c, "read", NULL) - 1,
			count_of(c, "write", NULL));
	done(s);
}

/* ---- 3.2 The cost the counter can't see ---- */

/* How many entries the last poll was handed: the number behind the array. */
static long entries_of_last_poll(struct calls c)
{
	for (size_t i = c.count; i-- > 0;) {
		const char *array_end = is_call(&c.all[i], "poll", NULL) ? strstr(c.all[i].args, "], ") : NULL;
		if (array_end)
			return strtol(array_end + 3, NULL, 10);
	}
	probe_fail("expected a poll with an array, but the server made none");
}

Test(ch03_counts, ex2_who_has_left_costs_nothing)
{
	enum { CAME = 400, STAY = 99, BYTES = 8 };
	struct server *s = server_start_traced();

	given("%d clients are connected; the server is traced", CAME);
	struct client **clients = crowd_open(s, CAME);
	expect("all but %d of them leave, and the server comes to rest", STAY);
	for (int i = 0; i < CAME; i++)
		if (i % 4 != 1 || i == 1)
			client_close(clients[i]);
	uint64_t from = server_quiet(s);
	expect("one of those who stayed sends PING and is answered");
	client_ping(clients[5]);
	expect("poll was handed %d entries, %d bytes: the listener and those who are there", STAY + 1,
	       BYTES * (STAY + 1));
	long entries = entries_of_last_poll(calls_between(s, from, server_quiet(s)));
	journal_note("measured", "%ld", entries * BYTES);
	if (entries != STAY + 1)
		probe_fail(
			"expected poll to be handed %d bytes, %d for each of %d entries, but it was handed %ld: %ld entries, most of them of clients who have left",
			BYTES * (STAY + 1), BYTES, STAY + 1, entries * BYTES, entries);
	done(s);
}

/* Each of those still there is answered, and with its own text. */
static void expect_own_replies(struct client **clients, int count)
{
	for (int i = 0; i < count; i++)
		if (clients[i])
			client_send(clients[i], "ECHO %d\r\n", 100 + i);
	for (int i = 0; i < count; i++)
		if (clients[i])
			client_expect(clients[i], "$3\r\n%d\r\n", 100 + i);
}

Test(ch03, ex2_those_who_stay_are_found)
{
	enum { CLIENTS = 24 };
	static const int leaving[] = { 23, 0, 5, 22, 1, 12, 6, 21, 13, 20 }; /* from the end, the start and between */
	struct server *s = server_start_default();

	given("%d clients are connected and were answered", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	expect_own_replies(clients, CLIENTS);
	size_t files = files_at_rest(s);
	expect("they leave one by one, in any order: each of the others is answered with its own text");
	for (size_t i = 0; i < sizeof(leaving) / sizeof(leaving[0]); i++) {
		client_close(clients[leaving[i]]);
		clients[leaving[i]] = NULL;
		server_quiet(s);
		expect_own_replies(clients, CLIENTS);
	}
	expect("the descriptors of those who left are closed, and newcomers are served");
	expect_files(s, files - sizeof(leaving) / sizeof(leaving[0]));
	client_ping(client_open(s, "the next"));
	expect_own_replies(clients, CLIENTS);
	done(s);
}

/* ---- 3.3 Remove while iterating ---- */

/* Eight clients send QUIT in one batch: its calls. */
static struct calls held_quits(struct server *s, struct client *holder)
{
	enum { CLIENTS = 8 };
	uint32_t us = HOLD_US;
	struct client **clients;
	struct calls calls;

	do {
		clients = clients_open(s, CLIENTS); /* others each time: these are to leave */
		clients_ping(clients, CLIENTS);
	} while (!held_round(s, holder, &us, clients, CLIENTS, "QUIT\r\n", 5, &calls));
	return calls;
}

Test(ch03_counts, ex3_nobody_is_skipped)
{
	struct server *s = server_start_traced();

	given("a holder is connected; the server is traced");
	struct client *holder = client_open(s, "the holder");
	client_ping(holder);
	given("eight clients have sent QUIT while the loop was held, and got +OK");
	struct calls c = held_quits(s, holder);
	expect("one poll was enough to deal with all eight");
	size_t polls = count_of(c, "poll", NULL) - 1; /* one was the holder's */
	journal_note("measured", "%zu", polls);
	if (polls != 1)
		probe_fail(
			"expected 1 poll, but there were %zu: whoever took the place of a closed connection was passed over, and had to be reported again",
			polls);
	done(s);
}

Test(ch03_counts, ex3_nobody_is_served_twice)
{
	struct server *s = server_start_traced();
	struct client *v1, *v2, *e, *d;

	given("clients V1, V2, E and D are connected, in this order; the server is traced");
	struct client *holder = client_open(s, "the holder");
	v1 = client_open(s, "V1"), v2 = client_open(s, "V2"), e = client_open(s, "E"), d = client_open(s, "D");
	unsigned long long id1 = client_id(v1), id2 = client_id(v2);
	client_ping(e);
	client_ping(d);
	uint64_t from = server_quiet(s);
	given("the loop is held; all of them send a request, and D's is CLIENT KILL for V1 and for V2");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(v1, "PING\r\n");
	client_send(v2, "PING\r\n");
	client_send(e, "PING\r\n");
	client_send(d, "CLIENT KILL ID %llu\r\nCLIENT KILL ID %llu\r\n", id1, id2);
	expect("D and E are answered, and V1 and V2 are closed");
	client_expect(d, ":1\r\n:1\r\n");
	client_expect(e, "+PONG\r\n");
	expect("each connection was read once: what its entry reports is used up, wherever the entry is moved");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t empty = 0;
	for (size_t i = 0; i < c.count; i++)
		empty += is_call(&c.all[i], "read", NULL) && c.all[i].result < 0;
	if (empty > 0)
		probe_fail(
			"expected that every read finds bytes, but %zu of %zu found none: an entry beyond `count`, or one that had its turn, was looked at again",
			empty, count_of(c, "read", NULL));
	done(s);
}

Test(ch03, ex3_those_between_are_served)
{
	enum { CLIENTS = 30 };
	struct server *s = server_start_default();

	given("%d clients and a holder are connected and quiet", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	given("while the loop is held, every other one sends QUIT and the rest ECHO");
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], i % 2 ? "QUIT\r\n" : "ECHO %d\r\n", 100 + i);
	expect("each gets the reply to its own request, and those who quit see the end");
	for (int i = 0; i < CLIENTS; i++) {
		if (i % 2) {
			client_expect(clients[i], "+OK\r\n");
			client_expect_end(clients[i], false);
			clients[i] = NULL;
		} else {
			client_expect(clients[i], "$3\r\n%d\r\n", 100 + i);
		}
	}
	expect("the others are served as before");
	expect_own_replies(clients, CLIENTS);
	done(s);
}

/* ---- 3.4 Half-closed, still owed ---- */

/* A slow client has asked for 1 MiB, and has shut down its writing side while most of it is still to come. */
static struct client *half_closed(struct server *s)
{
	struct client *slow = client_open_slow(s, "the slow client");

	client_ping(slow);
	ask_for_blob(slow);
	client_shut_writing(slow);
	return slow;
}

Test(ch03, ex4_gets_what_it_is_owed)
{
	static char bytes[BLOB_MAX + 64];
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	given("a slow client asks for 1 MiB, takes nothing, and shuts down its writing side");
	struct client *slow = half_closed(s);
	expect("A is answered meanwhile");
	client_ping(a);
	expect("the slow client gets every byte, and then the end");
	size_t came = client_read_some(slow, bytes, sizeof(bytes));
	journal_note("measured", "%zu", came / 1024);
	if (came != BLOB_REPLY(BLOB_MAX))
		probe_fail(
			"the slow client expected %zu bytes, but the connection was closed after %zu: that it will send no more does not say that it will read no more",
			BLOB_REPLY(BLOB_MAX), came);
	client_ping(a);
	done(s);
}

Test(ch03, ex4_sleeps_meanwhile)
{
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB, takes nothing, and shuts down its writing side");
	struct client *slow = half_closed(s);
	expect("the server sleeps: there is no room to write, and nothing more to read");
	expect_no_spin(s);
	expect("the slow client gets every byte, once it reads, and then the end");
	client_expect_blob(slow, BLOB_MAX);
	client_expect_end(slow, false);
	done(s);
}

Test(ch03, ex4_leaves_for_good)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	given("a slow client asks for 1 MiB, takes nothing, and shuts down its writing side");
	struct client *slow = half_closed(s);
	expect("when it resets the connection, the server lets go of it: poll reports that unasked");
	client_reset(slow);
	expect_files(s, files);
	expect("another who says all it has to say and shuts down at once gets its replies, and then the end");
	struct client *brief = client_open(s, "the brief client");
	client_send(brief, "PING\r\nPING\r\n");
	client_shut_writing(brief);
	client_expect(brief, "+PONG\r\n+PONG\r\n");
	client_expect_end(brief, false);
	client_ping(a);
	done(s);
}
