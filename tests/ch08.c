/*
 * ch08.c: the exercises of chapter 8, zero crossings. Two suites:
 *	ch08		what the server does; on the sanitized build
 *	ch08_counts	on the plain build: which system calls that takes, under strace; and what becomes of memory
 *			that is used again, which a sanitizer would keep from being used again
 *
 * The server is two threads, one of them the kernel's. How often they fall
 * asleep depends on the CPU that they are given: what is counted here is
 * counted again where the machine may be to blame.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "exercise.h"

enum { SLOTS = 16 }; /* descriptors that a server may have, and so direct descriptors: its table is full at that */

BLACK_BOX_SUITE(ch08);
BLACK_BOX_SUITE(ch08_counts);

/* `count` clients who are served; the array is the caller's. */
static struct client **served_clients(struct server *s, size_t count)
{
	struct client **clients = clients_open(s, count);

	clients_ping(clients, count);
	return clients;
}

static void close_all(struct client **clients, size_t count)
{
	for (size_t i = 0; i < count; i++)
		client_close(clients[i]);
}

/* ---- 8.1 Neither calls the other ---- */

/* Of the server, while one client sends so many PINGs, each when the last is answered. */
static size_t steady_calls(struct server *s, struct client *c, int requests)
{
	enum { WARM_UP = 20 };
	uint64_t from = 0, to;

	for (int i = -WARM_UP; i < requests; i++) {
		if (i == 0)
			from = now_ns();
		client_send(c, "PING\r\n");
		client_expect(c, "+PONG\r\n");
	}
	to = now_ns();
	server_quiet(s);
	return calls_between(s, from, to).count;
}

enum { CALLS_MOST = 50 };

static void judge_calls(size_t calls, int requests)
{
	journal_note("measured", "%zu", calls);
	if (calls >= CALLS_MOST)
		probe_fail(
			"expected fewer than %d system calls between the first and the last of %d requests, but there were %zu: to wait is a call, to look is none; and what has not been submitted is looked for in vain",
			CALLS_MOST, requests, calls);
}

Test(ch08_counts, ex1_no_call_while_requests_come)
{
	enum { FEW = 200, MANY = 10000, TRIES = 3 };
	struct server *s = server_start_traced();
	size_t calls = 0, best = SIZE_MAX;

	given("client A is connected; the server is traced");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("A sends %d PINGs, each when the last is answered: that takes the server no call for each", FEW);
	for (int i = 0; i < TRIES && (i == 0 || calls >= FEW / 2); i++)
		calls = steady_calls(s, a, FEW);
	if (calls >= FEW / 2)
		judge_calls(calls, FEW);
	expect("A sends %d: fewer than %d system calls", MANY, CALLS_MOST);
	for (int i = 0; i < TRIES && best >= CALLS_MOST; i++) {
		calls = steady_calls(s, a, MANY);
		best = calls < best ? calls : best;
	}
	if (best >= CALLS_MOST && best < MANY / 20)
		probe_skip("in none of %d tries had the server and the kernel's thread a core each: %zu calls at best",
			   TRIES, best);
	judge_calls(best, MANY);
	done(s);
}

Test(ch08, ex1_sleeps_when_nobody_talks)
{
	enum { MOST_MS = 5 };
	struct server *s = server_start_default();

	given("client A is connected and served");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("soon after, the server sleeps, and so does the kernel's thread");
	server_asleep(s);
	uint64_t before = server_cpu_ns(s);
	expect("as long as nobody talks, neither of them runs");
	expect_no_spin(s);
	uint64_t burnt = (server_cpu_ns(s) - before) / 1000000;
	if (burnt > MOST_MS)
		probe_fail(
			"expected no CPU to be burnt while nobody talks, but it was %llu ms: the spin has no bound, or a timer wakes it",
			(unsigned long long)burnt);
	expect("A is served as before");
	client_ping(a);
	done(s);
}

Test(ch08, ex1_wakes_the_kernels_thread)
{
	enum { ROUNDS = 5 };
	struct server *s = server_start_default();

	given("client A is connected and served");
	struct client *a = client_open(s, "A");
	client_ping(a);
	expect("%d times the server and the kernel's thread have fallen asleep, and A is answered at once", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		server_asleep(s);
		client_ping(a);
	}
	done(s);
}

/*
 * While the kernel's thread hands one client's bytes over, others' replies wait
 * for it in the queue. Whoever takes these for sent gives their memory away.
 */
Test(ch08_counts, ex1_sent_when_taken_up)
{
	enum { CLIENTS = 64, ROUNDS = 200, SIZE = 1500 };
	static char texts[CLIENTS][SIZE + 1];
	struct server *s = server_start_default();

	given("%d clients are connected", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	expect("%d times all of them send at once, each a text of its own, and get it back: a send is no good news before the kernel's thread has taken it up",
	       ROUNDS);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CLIENTS; i++) {
			memset(texts[i], 'A' + (i + round) % 26, SIZE);
			client_send(clients[i], "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", SIZE, texts[i]);
		}
		for (int i = 0; i < CLIENTS; i++)
			client_expect(clients[i], "$%d\r\n%s\r\n", SIZE, texts[i]);
	}
	done(s);
}

/* ---- 8.2 No descriptor ---- */

Test(ch08, ex2_no_descriptor)
{
	enum { CLIENTS = 100 };
	struct server *s = server_start_default();

	given("the server is quiet");
	size_t before = files_at_rest(s);
	expect("%d clients are served: what was accepted is a slot, and every operation on it says so", CLIENTS);
	struct client **clients = served_clients(s, CLIENTS);
	expect("the server has no more descriptors than before: the connections stand in the ring's own table");
	size_t grown = files_at_rest(s) - before;
	journal_note("measured", "%zu", grown);
	if (grown > 0)
		probe_fail("expected /proc/PID/fd to have no more entries than before, but it has %zu more", grown);
	expect("all of them are served, and when they have gone, so is another");
	clients_ping(clients, CLIENTS);
	close_all(clients, CLIENTS);
	expect_served(s, "A");
	done(s);
}

Test(ch08, ex2_full_table)
{
	enum { ROUNDS = 3 };
	struct server *s = server_start_limited(SLOTS);

	given("the server may have %d descriptors, and so a table of %d; as many clients are served", SLOTS, SLOTS);
	struct client **clients = served_clients(s, SLOTS);
	for (int i = 0; i < ROUNDS; i++) {
		expect("one more connects and sends PING: it waits, and is not dropped");
		struct client *next = client_open(s, "the next one");
		client_send(next, "PING\r\n");
		client_expect_silence(next);
		expect("the others are served, and the server sleeps");
		clients_ping(clients, SLOTS);
		expect_no_spin(s);
		expect("once a client has left, the one that waits is served: the slot is empty, and is counted as such");
		client_close(clients[i]);
		client_expect(next, "+PONG\r\n");
		clients[i] = next;
	}
	done(s);
}

/* A client comes, and leaves in one of WAYS ways; the last is that A kills it. */
enum { WAYS = 5 };
static const char *const ways[WAYS] = { "QUIT", "an end of writing", "a reset", "a protocol error", "CLIENT KILL" };

static void come_and_leave(struct server *s, struct client *a, int way)
{
	struct client *c = client_open(s, "B");
	unsigned long long id = client_id(c);
	char rest[256];

	if (way == 0)
		client_send(c, "QUIT\r\n");
	if (way == 1)
		client_shut_writing(c);
	if (way == 2) {
		client_reset(c);
		return;
	}
	if (way == 3)
		client_send(c, "*x\r\n");
	if (way == 4) {
		client_send(a, "CLIENT KILL ID %llu\r\n", id);
		client_expect(a, ":1\r\n");
	}
	client_read_some(c, rest, sizeof(rest));
	client_close(c);
}

Test(ch08, ex2_slots_come_back)
{
	enum { ROUNDS = 10 };
	struct server *s = server_start_limited(SLOTS);

	given("the server has a table of %d; client A is connected", SLOTS);
	struct client *a = client_open(s, "A");
	client_ping(a);
	for (int way = 0; way < WAYS; way++) {
		expect("%d clients come and leave, by %s", ROUNDS, ways[way]);
		for (int i = 0; i < ROUNDS; i++)
			come_and_leave(s, a, way);
	}
	expect("A is served still, and %d others at once: no slot is lost, and none counted twice", SLOTS - 1);
	client_ping(a);
	struct client **clients = served_clients(s, SLOTS - 1);
	expect("the table is full again: one more waits, and is not dropped");
	struct client *next = client_open(s, "the next one");
	client_send(next, "PING\r\n");
	client_expect_silence(next);
	client_close(clients[0]);
	client_expect(next, "+PONG\r\n");
	done(s);
}

static const char *const zerocopy[] = { "--zerocopy", "16384", NULL };

Test(ch08, ex2_stops)
{
	enum { CLIENTS = 8 };
	struct server *s =
		server_start_with(zerocopy, NULL, 0); /* so that it has a last word, where it comes to that */

	given("%d clients are connected and quiet", CLIENTS);
	struct client **clients = served_clients(s, CLIENTS);
	server_quiet(s);
	expect("SIGTERM ends their connections, and so the event loop");
	server_stop(s);
	for (int i = 0; i < CLIENTS; i++)
		client_expect_end(clients[i], false);
	if (!strstr(server_state(s), "zero-copy: "))
		probe_fail(
			"expected the event loop to end when all connections have, but it went on until the grace period was over: they were never told; a slot is no number that shutdown(2) knows");
	journal_pass();
}

/* ---- 8.3 Whose bytes are they? ---- */

/* REPORT_USAGE came with Linux 6.2. */
static void needs_report(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	if (major < 6 || (major == 6 && minor < 2))
		probe_skip("this kernel does not say whether it copied (Linux 6.2 does): it is %s", name.release);
}

/* What the server said at its end about its sends without a copy. */
struct report {
	unsigned sends, copied;
};

static struct report stop_and_report(struct server *s)
{
	struct report r = { 0 };
	const char *state, *line;

	server_stop(s);
	state = server_state(s);
	line = strstr(state, "zero-copy: ");
	if (!line || sscanf(line, "zero-copy: %u sends, %u of them", &r.sends, &r.copied) != 2)
		probe_fail(
			"expected the server to say \"zero-copy: N sends, N of them copied by the kernel\" at its end, but %s",
			state);
	return r;
}

Test(ch08_counts, ex3_bytes_are_the_kernels)
{
	enum { SIZE = 20000, OTHERS = 4 }; /* as much as the socket takes, though the client does not */
	static char text[SIZE + 1];

	needs_report();
	struct server *s = server_start_with(zerocopy, NULL, 0);
	given("a slow client asks for %d bytes, which leave by SEND_ZC, and takes nothing", SIZE);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", SIZE);
	server_quiet(s);
	given("%d others are answered with as many bytes, all of them 'x'", OTHERS);
	memset(text, 'x', SIZE);
	for (int i = 0; i < OTHERS; i++) {
		struct client *c = client_open(s, NULL);
		client_send(c, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", SIZE, text);
		client_expect(c, "$%d\r\n%s\r\n", SIZE, text);
	}
	expect("the slow client gets the bytes that it asked for: until the notification they were the kernel's to read");
	client_read_faster(slow);
	client_expect_blob(slow, SIZE);
	client_ping(slow);
	done(s);
}

Test(ch08, ex3_the_kernel_says_that_it_copied)
{
	enum { CLIENTS = 8, SIZE = 100000 };

	needs_report();
	struct server *s = server_start_with(zerocopy, NULL, 0);
	given("%d clients get %d bytes each, by SEND_ZC, over loopback", CLIENTS, SIZE);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		client_send(clients[i], "BLOB %d\r\n", SIZE);
		client_expect_blob(clients[i], SIZE);
	}
	expect("at its end the server tells how many of the %d sends the kernel copied: it has read the flag", CLIENTS);
	struct report r = stop_and_report(s);
	journal_note("measured", "%u", r.copied);
	if (r.sends != CLIENTS || r.copied != CLIENTS)
		probe_fail(
			"expected %d sends, all of them copied, as loopback always does, but the server told of %u sends and %u copies: the notification's result says so",
			CLIENTS, r.sends, r.copied);
	journal_pass();
}

Test(ch08, ex3_and_is_not_asked_again)
{
	enum { TIMES = 8, SIZE = 100000 };

	needs_report();
	struct server *s = server_start_with(zerocopy, NULL, 0);
	expect("one client asks %d times for %d bytes and gets them: the result of a notification is no number of bytes, and a send that copies has none",
	       TIMES, SIZE);
	struct client *a = client_open(s, "A");
	for (int i = 0; i < TIMES; i++) {
		client_send(a, "BLOB %d\r\n", SIZE);
		client_expect_blob(a, SIZE);
		client_ping(a);
	}
	expect("the first left by SEND_ZC, and the others did not: on this connection it does not pay");
	struct report r = stop_and_report(s);
	if (r.sends != 1)
		probe_fail("expected 1 send without a copy, but the server told of %u: after the first, it knows",
			   r.sends);
	journal_pass();
}

Test(ch08, ex3_gone_before_the_notification)
{
	enum { CLIENTS = 8 };

	needs_report();
	struct server *s = server_start_with(zerocopy, NULL, 0);
	given("client A and %d slow ones are connected; these ask for 1 MiB each and take nothing", CLIENTS);
	struct client *a = client_open(s, "A"), *slow[CLIENTS];
	unsigned long long ids[CLIENTS];
	for (int i = 0; i < CLIENTS; i++) {
		slow[i] = client_open_slow(s, NULL);
		ids[i] = client_id(slow[i]);
		client_send(slow[i], "BLOB %d\r\n", BLOB_MAX);
	}
	server_quiet(s);
	expect("half of them reset, the others are killed by A and then go; A is served");
	for (int i = 0; i < CLIENTS; i++) {
		if (i % 2) {
			client_send(a, "CLIENT KILL ID %llu\r\n", ids[i]);
			client_expect(a, ":1\r\n");
		}
		client_reset(slow[i]);
		client_ping(a);
	}
	expect("the server ends as it should, with no connection left");
	client_close(a);
	server_stop(s);
	journal_pass();
}

/* ---- 8.4 The end as a chain ---- */

enum {
	LAST_BLOB = 1000000, /* not 1 MiB: with more than that unsent, the server would not look at the QUIT yet */
	LAST_WORDS = 5,	     /* "+OK\r\n" */
	LEAVERS = 10,	     /* of SLOTS: were their slots lost, as many others would not fit in */
};

/* Asks for all it may and for the end behind it, and takes nothing. */
static void ask_for_blob_and_end(struct client *c)
{
	client_send(c, "BLOB %d\r\nQUIT\r\n", LAST_BLOB);
}

Test(ch08, ex4_no_byte_is_lost)
{
	static char bytes[LAST_BLOB + 64];
	struct server *s = server_start_default();
	size_t all = BLOB_REPLY(LAST_BLOB) + LAST_WORDS;

	given("a slow client asks for %d bytes and QUITs, in one segment, and takes nothing until the server is quiet",
	      LAST_BLOB);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	ask_for_blob_and_end(slow);
	server_quiet(s);
	expect("it gets all %zu bytes, and then the end", all);
	client_read_faster(slow);
	size_t got = client_read_some(slow, bytes, sizeof(bytes));
	journal_note("measured", "%zu", got);
	if (got != all || memcmp(bytes + all - LAST_WORDS, "+OK\r\n", LAST_WORDS) != 0)
		probe_fail(
			"expected %zu bytes, the last of them \"+OK\\r\\n\", but the end came after %zu: a send that fell short is a success, and so the shutdown linked to it began",
			all, got);
	done(s);
}

/* It falls short, and tells so. On the plain build: freed memory is unmapped, or used again. */
Test(ch08_counts, ex4_no_byte_is_lost_before_the_end)
{
	struct server *s = server_start_default();

	given("a slow client asks for %d bytes, does not QUIT, and takes nothing until the server is quiet", LAST_BLOB);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	client_send(slow, "BLOB %d\r\n", LAST_BLOB);
	server_quiet(s);
	given("client A is served meanwhile");
	expect_served(s, "A");
	expect("it gets all of them, and is served: a quiet send must fail where it falls short, and must not wait");
	client_read_faster(slow);
	client_expect_blob(slow, LAST_BLOB);
	client_ping(slow);
	done(s);
}

Test(ch08, ex4_goes_on_without_the_server)
{
	enum { TRIES = 4, LONG_MS = 10000 };
	struct server *s = server_start_default();
	bool alone = false;

	for (uint32_t us = 2 * HOLD_US, i = 0; i < TRIES && !alone; i++, us *= 2) {
		given("a slow client asks for %d bytes and QUITs, and takes nothing; then the server's loop is held",
		      LAST_BLOB);
		struct client *slow = client_open_slow(s, "the slow client"), *holder = client_open(s, "the holder");
		client_ping(slow);
		ask_for_blob_and_end(slow);
		server_quiet(s);
		server_hold(s, holder, &hold_spin, us);
		client_send(holder, "PING\r\n");
		expect("the slow client gets its bytes and the end before the loop goes on: the chain is the kernel's");
		client_read_faster(slow);
		client_expect_blob(slow, LAST_BLOB);
		client_expect(slow, "+OK\r\n");
		struct pollfd first[] = { { .fd = client_fd(slow), .events = POLLIN },
					  { .fd = client_fd(holder), .events = POLLIN } };
		poll(first, 2, LONG_MS);
		alone = !first[1].revents;
		client_expect_end(slow, false);
		client_expect(holder, "+PONG\r\n");
	}
	if (!alone)
		probe_fail(
			"expected the connection to be closed while the loop was held, but %d times it went on first: the shutdown and the close were not linked to the send",
			TRIES);
	done(s);
}

/* All slots are free. One more than there are: who does not fit in waits. */
static void expect_room_for_all_but_one(struct server *s)
{
	enum { ALL = SLOTS + 1 };

	expect("%d others connect at once: %d are served, and who does not fit in waits, and is not dropped: what was closed was closed once, and counted once",
	       ALL, LEAVERS);
	struct client **clients = clients_open(s, ALL);
	for (int i = 0; i < ALL; i++)
		client_send(clients[i], "PING\r\n");
	for (int i = 0; i < LEAVERS; i++)
		client_expect(clients[i], "+PONG\r\n");
	client_expect_silence(clients[ALL - 1]);
	close_all(clients, LEAVERS);
	for (int i = LEAVERS; i < ALL; i++)
		client_expect(clients[i], "+PONG\r\n");
}

Test(ch08, ex4_quit)
{
	enum { ROUNDS = 40 };
	struct server *s = server_start_limited(SLOTS);

	given("the server may have %d descriptors", SLOTS);
	expect("%d clients, one after the other, send PING and QUIT and get both replies and the end", ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		struct client *c = client_open(s, "A");
		client_send(c, "PING\r\nQUIT\r\n");
		client_expect(c, "+PONG\r\n+OK\r\n");
		client_expect_end(c, false);
		client_close(c);
	}
	expect_room_for_all_but_one(s);
	done(s);
}

Test(ch08, ex4_broken_by_a_reset)
{
	struct server *s = server_start_limited(SLOTS);
	struct client *slow[LEAVERS];

	given("the server may have %d descriptors; %d slow clients ask for much, QUIT and take nothing", SLOTS,
	      LEAVERS);
	for (int i = 0; i < LEAVERS; i++) {
		slow[i] = client_open_slow(s, NULL);
		client_ping(slow[i]);
		ask_for_blob_and_end(slow[i]);
	}
	server_quiet(s);
	given("they reset: the sends fail, and what was linked to them is cancelled");
	for (int i = 0; i < LEAVERS; i++)
		client_reset(slow[i]);
	expect("%d others are served at once: a close that was cancelled is made up for", LEAVERS);
	close_all(served_clients(s, LEAVERS), LEAVERS);
	expect_room_for_all_but_one(s);
	done(s);
}

Test(ch08, ex4_broken_by_a_kill)
{
	struct server *s = server_start_limited(SLOTS);
	struct client *slow[LEAVERS];
	unsigned long long ids[LEAVERS];

	given("the server may have %d descriptors; client A and %d slow ones are connected, who ask for much, QUIT and take nothing",
	      SLOTS, LEAVERS);
	struct client *a = client_open(s, "A");
	for (int i = 0; i < LEAVERS; i++) {
		slow[i] = client_open_slow(s, NULL);
		ids[i] = client_id(slow[i]);
		ask_for_blob_and_end(slow[i]);
	}
	server_quiet(s);
	expect("A closes them by CLIENT KILL");
	for (int i = 0; i < LEAVERS; i++) {
		client_send(a, "CLIENT KILL ID %llu\r\n", ids[i]);
		client_expect(a, ":1\r\n");
	}
	expect("when A has left as well, %d others are served at once", LEAVERS);
	client_close(a);
	served_clients(s, LEAVERS);
	done(s);
}
