/*
 * ch05.c: the exercises of chapter 5, edge-triggered epoll. Two suites:
 *	ch05		what the server does; on the sanitized build
 *	ch05_counts	which system calls that takes; on the plain build, under strace
 *
 * What is to be one edge must arrive as a whole: it is sent while the loop is
 * held, so that the event which reports it is the only one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exercise.h"

enum {
	READ_SIZE = 16 * 1024, /* what the servers ask for in one read (conn.h) */
	LONG_HOLD_US = 200000, /* long enough to fill sockets */
};

BLACK_BOX_SUITE(ch05);
BLACK_BOX_SUITE(ch05_counts);

/* ---- bytes to send ---- */

/* `size` bytes that ask nothing, and then `request`: empty lines have no reply. The caller's to free. */
static char *padded(size_t size, const char *request)
{
	size_t length = strlen(request);
	char *bytes = malloc(size + 1);

	if (!bytes || length > size)
		probe_fail("the test has no memory left");
	for (size_t i = 0; i < size - length; i++)
		bytes[i] = (size - length - i) % 2 == 0 ? '\r' : '\n'; /* an odd one out is a line end, too */
	memcpy(bytes + size - length, request, length + 1);
	return bytes;
}

/* Sends that in one piece. */
static void send_padded(struct client *c, size_t size, const char *request)
{
	char *bytes = padded(size, request);

	client_send_bytes(c, bytes, size);
	free(bytes);
}

/* ECHO of `size` bytes, as an array: no part of it is a request of its own. */
static void send_echo(struct client *c, size_t size)
{
	char *bytes = malloc(size + 64);
	int head = bytes ? snprintf(bytes, 64, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", size) : 0;

	if (!bytes)
		probe_fail("the test has no memory left");
	memset(bytes + head, 'x', size);
	memcpy(bytes + head + size, "\r\n", 2);
	client_send_bytes(c, bytes, (size_t)head + size + 2);
	free(bytes);
}

static void expect_echo(struct client *c, size_t size)
{
	char *bytes = malloc(size + 64);
	int head = bytes ? snprintf(bytes, 64, "$%zu\r\n", size) : 0;

	if (!bytes)
		probe_fail("the test has no memory left");
	memset(bytes + head, 'x', size);
	memcpy(bytes + head + size, "\r\n", 2);
	client_expect_bytes(c, bytes, (size_t)head + size + 2);
	free(bytes);
}

/* ---- 5.1 Drain ---- */

Test(ch05, ex1_request_longer_than_a_read)
{
	enum { SIZE = 40000 };
	struct server *s = server_start_default();

	given("client A and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends one ECHO of %d bytes, which takes three reads, and then nothing more", SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	send_echo(a, SIZE);
	expect("A gets its reply: of all these bytes epoll tells once");
	expect_echo(a, SIZE);
	expect("A is served as before, and the server sleeps when there is nothing to do");
	client_ping(a);
	expect_no_spin(s);
	done(s);
}

Test(ch05, ex1_request_behind_a_full_read)
{
	struct server *s = server_start_default();

	given("client A and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends a PING that ends with byte %d, where a read ends, and one more behind it",
	      READ_SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	send_padded(a, READ_SIZE, "PING\r\n");
	client_send(a, "PING\r\n");
	expect("both are answered: that a request is whole does not mean that the socket is empty");
	client_expect(a, "+PONG\r\n");
	client_expect(a, "+PONG\r\n");
	given("the loop is held; A sends the first of them again, and nothing behind it");
	server_quiet(s);
	server_hold(s, holder, &hold_spin, HOLD_US);
	send_padded(a, READ_SIZE, "PING\r\n");
	expect("it is answered, and then the server sleeps: EAGAIN says that the socket is empty");
	client_expect(a, "+PONG\r\n");
	expect_no_spin(s);
	done(s);
}

Test(ch05, ex1_end_behind_the_bytes)
{
	struct server *s = server_start_default();

	given("client A and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends PING and shuts down its writing side: one event tells of both");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "PING\r\n");
	client_shut_writing(a);
	expect("A gets its reply, and then the end: a read of 0 bytes comes behind the read of 6");
	client_expect(a, "+PONG\r\n");
	client_expect_end(a, false);
	done(s);
}

Test(ch05_counts, ex1_drained_in_one_wake_up)
{
	enum { CLIENTS = 8, SIZE = 40000 };
	struct server *s = server_start_traced();

	given("%d clients and a holder are connected and quiet; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_ping(clients[i]);
	server_quiet(s);
	given("while the loop is held, each sends %d bytes that end with a PING", SIZE);
	char *request = padded(SIZE, "PING\r\n");
	expect("each is answered");
	struct round r =
		server_round(s, holder, &hold_spin, LONG_HOLD_US, clients, CLIENTS, request, strlen("+PONG\r\n"));
	free(request);
	expect("one epoll_wait is enough for all %d of them, whatever the number of reads", CLIENTS);
	struct calls c = calls_between(s, r.start, r.end);
	size_t waits = count_of(c, "epoll_wait", NULL) - 1; /* one is the holder's */
	journal_note("measured", "%zu", waits);
	if (waits != 1)
		probe_fail(
			"expected one epoll_wait for the batch, but there were %zu: read on while bytes are left, and do not wait to be told of them again",
			waits);
	done(s);
}

/* ---- 5.2 Register once for both directions ---- */

Test(ch05_counts, ex2_one_call_for_a_whole_life)
{
	struct server *s = server_start_traced();
	uint64_t from = server_quiet(s);

	given("a slow client connects; the server is traced");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	given("it asks for 1 MiB and takes nothing, until the socket is full and the server quiet");
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("it gets all of it once it reads, and then its +OK for QUIT and the end");
	client_expect_blob(slow, BLOB_MAX);
	client_send(slow, "QUIT\r\n");
	client_expect(slow, "+OK\r\n");
	client_expect_end(slow, false);
	expect("one epoll_ctl in all: that which added it");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t asked = count_of(c, "epoll_ctl", NULL), writes = count_of(c, "write", NULL);
	journal_note("measured", "%zu", asked);
	if (asked != 1)
		probe_fail(
			"expected 1 epoll_ctl, but there were %zu for a client whose replies left in %zu writes: epoll can tell of room without being asked each time",
			asked, writes);
	done(s);
}

Test(ch05, ex2_room_is_no_reason_to_wake)
{
	struct server *s = server_start_default();

	given("client A and a slow client are connected");
	struct client *a = client_open(s, "A"), *slow = client_open_slow(s, "the slow client");
	client_ping(a);
	client_ping(slow);
	expect("the server sleeps: every socket has room, and that was told once");
	expect_no_spin(s);
	given("the slow client asks for 1 MiB and takes nothing");
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	expect("A is answered, and the server sleeps while the slow client's socket is full");
	client_ping(a);
	expect_no_spin(s);
	expect("the slow client gets all of it, once it reads");
	client_read_faster(slow);
	client_expect_blob(slow, BLOB_MAX);
	done(s);
}

Test(ch05, ex2_told_while_it_did_not_read)
{
	enum { BLOBS = 3 };
	struct server *s = server_start_default();

	given("a slow client asks for 1 MiB, %d times, and takes nothing", BLOBS);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	for (int i = 0; i < BLOBS; i++) {
		client_send(slow, "BLOB %d\r\n", BLOB_MAX);
		server_quiet(s); /* were they read as one, too little would be unsent for the PING to be left */
	}
	given("it sends PING; with so much unsent the server does not read, although it is told");
	client_send(slow, "PING\r\n");
	server_quiet(s);
	expect("it gets all of it, once it reads");
	client_read_faster(slow);
	for (int i = 0; i < BLOBS; i++)
		client_expect_blob(slow, BLOB_MAX);
	expect("then its PING is answered: the event that tells of room tells of the bytes as well");
	client_expect(slow, "+PONG\r\n");
	done(s);
}

/* ---- 5.3 The short-read rule ---- */

Test(ch05_counts, ex3_one_read_for_a_short_request)
{
	enum { CLIENTS = 8 };
	struct server *s = server_start_traced();

	given("%d clients are connected and quiet; the server is traced", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_ping(clients[i]);
	server_quiet(s);
	expect("all of them send PING, and are answered");
	struct round r = server_round(s, NULL, NULL, 0, clients, CLIENTS, "PING\r\n", 7);
	expect("one read each: 6 bytes where %d were asked for leave none behind", READ_SIZE);
	struct calls c = calls_between(s, r.start, r.end);
	size_t reads = count_of(c, "read", NULL);
	if (reads != CLIENTS)
		probe_fail("expected %d reads for %d requests, but there were %zu: a short read has drained the socket",
			   CLIENTS, CLIENTS, reads);
	done(s);
}

Test(ch05_counts, ex3_full_reads_prove_nothing)
{
	struct server *s = server_start_traced();

	given("client A and a holder are connected and quiet; the server is traced");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	given("while the loop is held, A sends %d bytes, exactly two full reads, that end with a PING", 2 * READ_SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	send_padded(a, 2 * READ_SIZE, "PING\r\n");
	expect("A is answered");
	client_expect(a, "+PONG\r\n");
	expect("there is a third read, which says EAGAIN: from a full one the server can't know");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t reads = count_of(c, "read", NULL) - 1; /* one is the holder's */
	journal_note("measured", "%zu", reads);
	if (reads != 3)
		probe_fail("expected 3 reads, two full ones and EAGAIN, but there were %zu", reads);
	done(s);
}

Test(ch05, ex3_end_behind_a_short_read)
{
	enum { CLIENTS = 8 };
	struct server *s = server_start_default();

	given("a holder is connected");
	struct client *holder = client_open(s, "the holder");
	client_ping(holder);
	size_t files = files_at_rest(s);
	given("%d clients are connected; while the loop is held, each sends PING and shuts down its writing side",
	      CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_ping(clients[i]);
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++) {
		client_send(clients[i], "PING\r\n");
		client_shut_writing(clients[i]);
	}
	expect("each gets its reply, and then the end, of which the same event told");
	for (int i = 0; i < CLIENTS; i++) {
		client_expect(clients[i], "+PONG\r\n");
		client_expect_end(clients[i], false);
	}
	expect("the server has given their descriptors back");
	expect_files(s, files);
	done(s);
}

Test(ch05, ex3_end_comes_after_the_bytes)
{
	enum { SIZE = 40000 };
	struct server *s = server_start_default();

	given("client A and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends an ECHO of %d bytes and shuts down its writing side", SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	send_echo(a, SIZE);
	client_shut_writing(a);
	expect("A gets its reply, and then the end: EPOLLRDHUP does not mean that nothing is left to read, or to send");
	expect_echo(a, SIZE);
	client_expect_end(a, false);
	done(s);
}

/* ---- 5.4 Fairness ---- */

enum {
	READS_MAX = 4, /* the servers' bound */
	FLOOD = 1024 * 1024,
};

/* A client whose segments hold one read: the narrower they are, the more of them the kernel lets wait in the socket. */
static struct client *hose_open(struct server *s)
{
	struct client *c = client_open_with(s, &(struct client_options){ .maxseg = READ_SIZE });

	client_ping(c);
	return c;
}

/* As much as the pipe takes, FLOOD at the most, of what has no reply. */
static void send_flood(struct client *c)
{
	char *bytes = padded(FLOOD, "");
	size_t at = 0;
	ssize_t n;

	while (at < FLOOD && (n = client_send_some(c, bytes + at, FLOOD - at)) > 0)
		at += (size_t)n;
	free(bytes);
}

/* How many reads of the hoses came before A's, with ECHO in it. */
static size_t reads_before_echo(struct calls c)
{
	size_t before = 0;

	for (size_t i = 0; i < c.count && !is_call(&c.all[i], "read", "ECHO"); i++)
		before += is_call(&c.all[i], "read", NULL) && !c.all[i].error && !is_call(&c.all[i], "read", "SPIN");
	return before;
}

/* The most reads of one descriptor between two waits. */
static size_t longest_turn(struct calls c)
{
	enum { FDS = 64 };
	size_t reads[FDS] = { 0 }, most = 0;

	for (size_t i = 0; i < c.count; i++) {
		int fd = atoi(c.all[i].args);
		if (is_call(&c.all[i], "epoll_wait", NULL))
			memset(reads, 0, sizeof(reads));
		if (is_call(&c.all[i], "read", NULL) && fd >= 0 && fd < FDS && ++reads[fd] > most)
			most = reads[fd];
	}
	return most;
}

Test(ch05_counts, ex4_a_turn_for_everyone)
{
	enum { HOSES = 2 };
	struct server *s = server_start_traced();

	given("client A, a holder and %d fire-hoses are connected and quiet; the server is traced", HOSES);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	struct client *hoses[HOSES] = { hose_open(s), hose_open(s) };
	client_ping(a);
	uint64_t from = server_quiet(s);
	given("the loop is held; each hose sends all that is taken, up to 1 MiB, and then A sends ECHO");
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	for (int i = 0; i < HOSES; i++)
		send_flood(hoses[i]);
	client_send(a, "ECHO patience\r\n");
	expect("A is answered, after %d reads of each hose at the most", READS_MAX);
	client_expect(a, "$8\r\npatience\r\n");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t before = reads_before_echo(c), most = longest_turn(c);
	journal_note("measured", "%zu", before);
	if (before > HOSES * READS_MAX)
		probe_fail(
			"expected %d reads of %d hoses at the most before A's, but there were %zu: READS_MAX of one connection, then the next",
			HOSES * READS_MAX, HOSES, before);
	expect("no connection is read more than %d times between two epoll_wait: for an event, and for its turn on the list",
	       2 * READS_MAX);
	if (most > 2 * READS_MAX)
		probe_fail(
			"expected %d reads of one connection at the most between two epoll_wait, but there were %zu: what is new has to wait as long",
			2 * READS_MAX, most);
	done(s);
}

Test(ch05, ex4_the_rest_has_its_turn)
{
	enum { SIZE = 90000 };
	struct server *s = server_start_default();

	given("client A and a holder are connected");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	expect("A is answered, and the server sleeps: nobody has bytes left");
	client_ping(a);
	server_quiet(s);
	expect("while the loop is held, A can send %d bytes that end with a PING, which is more than one turn takes",
	       SIZE);
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	send_padded(a, SIZE, "PING\r\n");
	expect("A is answered: no event will come for what one turn has left, so the server must not wait for one");
	client_expect(a, "+PONG\r\n");
	expect("when nobody has bytes left, the server sleeps");
	expect_no_spin(s);
	done(s);
}

Test(ch05, ex4_told_while_on_the_list)
{
	enum { LONG = 1000000, SHORT = 90000 };
	struct server *s = server_start_default();

	given("clients A, B and a holder are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	client_ping(b);
	server_quiet(s);
	given("the loop is held; A sends %d bytes, the last of which come when the first are read, and B %d; both end with a PING",
	      LONG, SHORT);
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	send_padded(a, LONG, "PING\r\n");
	send_padded(b, SHORT, "PING\r\n");
	expect("both are answered: A, of which an event tells while it waits for its turn, stands on the list once");
	client_expect(a, "+PONG\r\n");
	client_expect(b, "+PONG\r\n");
	expect("the server sleeps");
	expect_no_spin(s);
	done(s);
}

Test(ch05, ex4_closed_while_on_the_list)
{
	enum { HOSES = 3, AT = 120000 };
	struct server *s = server_start_default();
	struct client *hoses[HOSES];
	unsigned long long ids[HOSES];
	char kills[HOSES * 64];
	size_t size = 0;

	given("clients A, B, a holder and %d fire-hoses are connected and quiet", HOSES);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B");
	for (int i = 0; i < HOSES; i++) {
		hoses[i] = client_open(s, NULL);
		ids[i] = client_id(hoses[i]);
		size += (size_t)snprintf(kills + size, sizeof(kills) - size, "CLIENT KILL ID %llu\r\n", ids[i]);
	}
	client_ping(a);
	client_ping(b);
	server_quiet(s);
	given("the loop is held; hoses send more than a turn takes, before A and after it; behind as much of its own A sends CLIENT KILL for all of them");
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	send_flood(hoses[0]);
	send_padded(a, AT, kills);
	for (int i = 1; i < HOSES; i++)
		send_flood(hoses[i]);
	expect("A closes them while they wait for their turn, and gets its %d replies", HOSES);
	for (int i = 0; i < HOSES; i++)
		client_expect(a, ":1\r\n");
	expect("A and B are served as before, the hoses are gone, and the server sleeps");
	client_ping(a);
	client_ping(b);
	for (int i = 0; i < HOSES; i++)
		client_expect_end(hoses[i], true);
	expect_no_spin(s);
	done(s);
}

Test(ch05, ex4_descriptors_come_back)
{
	enum { ROUNDS = 10 };
	struct server *s = server_start_default();

	given("clients A and a holder are connected");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	client_ping(holder);
	size_t files = files_at_rest(s);
	given("%d times a fire-hose connects, floods the server while it is held, and is killed by A's CLIENT KILL",
	      ROUNDS);
	for (int i = 0; i < ROUNDS; i++) {
		struct client *hose = client_open(s, NULL);
		unsigned long long id = client_id(hose);
		server_quiet(s);
		server_hold(s, holder, &hold_spin, HOLD_US);
		send_flood(hose);
		client_send(a, "CLIENT KILL ID %llu\r\n", id);
		client_expect(a, ":1\r\n");
		client_close(hose);
	}
	expect("the server has as many descriptors open as before");
	expect_files(s, files);
	client_ping(a);
	done(s);
}
