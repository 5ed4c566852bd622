/*
 * ch04.c: the exercises of chapter 4, epoll. Two suites:
 *	ch04		what the server does; on the sanitized build
 *	ch04_counts	which system calls that takes; on the plain build, under strace
 *
 * Every test looks at one way in which the naive server breaks, and leaves
 * what belongs to another exercise alone: an exercise that is still open must
 * not hide that this one is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exercise.h"

enum { LONG_HOLD_US = 200000 }; /* long enough to connect a burst */

BLACK_BOX_SUITE(ch04);
BLACK_BOX_SUITE(ch04_counts);

/* The first one, as far as it can be told to a person: what follows in strace's line is an address. */
static const char *first_of(struct calls c, const char *name)
{
	static char shown[128];
	size_t i = 0;

	while (i < c.count && !is_call(&c.all[i], name, NULL))
		i++;
	const char *raw = i < c.count ? c.all[i].raw : "none", *address = strstr(raw, ", data=");
	snprintf(shown, sizeof(shown), "%.*s%s", address ? (int)(address - raw) : 100, raw, address ? "})" : "");
	return shown;
}

/* ---- 4.1 Register once ---- */

Test(ch04, ex1_serves_and_sleeps)
{
	struct server *s = server_start_default();

	given("clients A, B and C are connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	expect("each is answered, in any order and more than once");
	client_ping(a);
	client_ping(c);
	client_ping(b);
	client_ping(a);
	expect("a server with nothing to do sleeps in epoll_wait");
	expect_no_spin(s);
	done(s);
}

Test(ch04, ex1_is_told_again)
{
	enum { PINGS = 4000 };
	struct server *s = server_start_default();
	char *requests = malloc(6 * PINGS + 1), *replies = malloc(7 * PINGS + 1);

	for (int i = 0; i < PINGS; i++) {
		memcpy(requests + 6 * i, "PING\r\n", 6);
		memcpy(replies + 7 * i, "+PONG\r\n", 7);
	}
	given("clients A and B are connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	expect("while B holds the loop with a SPIN, A can send %d PINGs in one piece, more than one read takes", PINGS);
	client_ping(a);
	server_hold(s, b, &hold_spin, HOLD_US);
	client_send_bytes(a, requests, 6 * PINGS);
	expect("A gets all %d replies: epoll reports a socket again as long as bytes are left in it", PINGS);
	client_expect_bytes(a, replies, 7 * PINGS);
	free(requests);
	free(replies);
	done(s);
}

Test(ch04, ex1_closing_is_enough)
{
	enum { CLIENTS = 20 };
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	expect("A is answered");
	client_ping(a);
	size_t files = files_at_rest(s);
	expect("%d clients, one after the other, send QUIT, get +OK and then the end: close(2) ends a connection and its registration",
	       CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = client_open(s, NULL);
		client_send(c, "QUIT\r\n");
		client_expect(c, "+OK\r\n");
		client_expect_end(c, false);
		client_close(c);
	}
	expect("the server has given every descriptor back, and serves A");
	expect_files(s, files);
	client_ping(a);
	done(s);
}

Test(ch04, ex1_ends_when_told)
{
	struct server *s = server_start_default();

	given("clients A and B are connected");
	struct client *clients[] = { client_open(s, "A"), client_open(s, "B") };
	expect("both are answered, and the server waits again");
	clients_ping(clients, 2);
	expect_stop(s, "epoll_wait", clients, 2);
}

Test(ch04_counts, ex1_registers_once)
{
	enum { CLIENTS = 8, PINGS = 100 };
	struct server *s = server_start_traced();

	given("%d clients are connected; the server is traced", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	expect("each sends %d PINGs and then QUIT, and is answered", PINGS);
	for (int i = 0; i < CLIENTS; i++) {
		for (int j = 0; j < PINGS; j++)
			client_ping(clients[i]);
		client_send(clients[i], "QUIT\r\n");
		client_expect(clients[i], "+OK\r\n");
		client_expect_end(clients[i], false);
	}
	expect("the server has added the listener once, and each client once");
	struct calls all = calls_between(s, 0, server_quiet(s));
	size_t adds = count_of(all, "epoll_ctl", "EPOLL_CTL_ADD"),
	       removals = count_of(all, "epoll_ctl", "EPOLL_CTL_DEL");
	journal_note("measured", "%zu", adds + removals);
	if (adds != CLIENTS + 1)
		probe_fail(
			"expected %d calls with EPOLL_CTL_ADD, but there were %zu: a descriptor stays on the interest list until it is closed, so add it once, when it is accepted",
			CLIENTS + 1, adds);
	done(s);
}

Test(ch04_counts, ex1_one_wait_for_all_that_are_ready)
{
	enum { CLIENTS = 8 };
	struct server *s = server_start_traced();
	long most = 0;

	given("%d clients and a holder are connected; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	expect("they are answered, and answered again after they have all sent PING while the loop was held");
	clients_ping(clients, CLIENTS);
	struct calls c = held_batch(s, holder, clients, CLIENTS);
	expect("one epoll_wait has returned all %d events", CLIENTS);
	for (size_t i = 0; i < c.count; i++)
		if (is_call(&c.all[i], "epoll_wait", NULL) && c.all[i].result > most)
			most = c.all[i].result;
	if (most < CLIENTS)
		probe_fail(
			"expected one epoll_wait to return %d events, but the most that one returned was %ld: let the kernel fill the whole array events[], and handle all that it returned",
			CLIENTS, most);
	done(s);
}

/* ---- 4.2 Outlive a stale event ---- */

Test(ch04, ex2_stale_event)
{
	struct server *s = server_start_default();

	given("clients A, B and C are connected and quiet");
	struct client *holder = client_open(s, "the holder");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	unsigned long long victim = client_id(b);
	client_ping(a);
	client_ping(c);
	server_quiet(s);
	given("the loop is held; A sends CLIENT KILL ID <B>, B and C send PING");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "CLIENT KILL ID %llu\r\n", victim);
	client_send(b, "PING\r\n");
	client_send(c, "PING\r\n");
	expect("the loop goes on with three events in one batch: A closes B, B's event is skipped, C is answered");
	client_expect(a, ":1\r\n");
	client_expect(c, "+PONG\r\n");
	client_expect_end(b, true);
	expect("A and C are served as before");
	client_ping(a);
	client_ping(c);
	done(s);
}

Test(ch04, ex2_newcomer_on_the_same_descriptor)
{
	struct server *s = server_start_default();

	given("clients A and B are connected and quiet");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A"), *b = client_open(s, "B");
	unsigned long long victim = client_id(b);
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends CLIENT KILL ID <B>; D connects and sends CLIENT ID; B sends PING");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "CLIENT KILL ID %llu\r\n", victim);
	struct client *d = client_open(s, "D");
	client_send(d, "CLIENT ID\r\n");
	client_send(b, "PING\r\n");
	expect("A closes B; D is accepted on the descriptor that B had; B's event, the third of the batch, does not reach D");
	client_expect(a, ":1\r\n");
	const char *line = client_read_line(d);
	if (line[0] != ':' || strtoull(line + 1, NULL, 10) <= victim)
		probe_fail(
			"D expected a CLIENT ID of its own, above %llu, but got \"%s\": the server took it for B, whose descriptor it has",
			victim, line);
	expect("A and D are served as before");
	client_ping(a);
	client_ping(d);
	done(s);
}

Test(ch04_counts, ex2_reads_only_the_living)
{
	enum { VICTIMS = 7 };
	struct server *s = server_start_traced();
	unsigned long long ids[VICTIMS];

	given("client A and %d others are connected and quiet; the server is traced", VICTIMS);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	struct client **victims = clients_open(s, VICTIMS);
	client_ping(a);
	for (int i = 0; i < VICTIMS; i++)
		ids[i] = client_id(victims[i]);
	char requests[VICTIMS * 64];
	size_t size = 0;
	for (int i = 0; i < VICTIMS; i++)
		size += (size_t)snprintf(requests + size, sizeof(requests) - size, "CLIENT KILL ID %llu\r\n", ids[i]);
	uint64_t from = server_quiet(s);
	given("the loop is held; A sends CLIENT KILL for each of the others in one piece, and each of those sends PING");
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send_bytes(a, requests, size);
	for (int i = 0; i < VICTIMS; i++)
		client_send(victims[i], "PING\r\n");
	expect("A gets its %d replies", VICTIMS);
	for (int i = 0; i < VICTIMS; i++)
		client_expect(a, ":1\r\n");
	expect("of the batch's %d events one leads to a read: the others are stale", VICTIMS + 1);
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t reads = count_of(c, "read", NULL) - 1;
	journal_note("measured", "%zu", reads);
	if (reads != 1)
		probe_fail(
			"expected one read, A's, but there were %zu: a connection that is closed must be known as such until the batch is over",
			reads);
	client_ping(a);
	done(s);
}

/* As `rounds` times ten clients that connect, are answered and leave. Resets leave no port in TIME_WAIT. */
static void come_and_go(struct server *s, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct client *clients[10];
		for (int j = 0; j < 10; j++)
			clients[j] = client_open(s, NULL);
		client_ping(clients[9]);
		for (int j = 0; j < 10; j++)
			client_reset(clients[j]);
	}
	server_quiet(s);
}

Test(ch04_counts, ex2_memory_comes_back)
{
	enum { ROUNDS = 500, BOUND = 256 * 1024 }; /* 5,000 connections that are never freed take three times as much */

	needs("memory");
	struct server *s = server_start_default();
	given("some clients have come and gone, so that the server has all the memory it needs");
	come_and_go(s, 20);
	uint64_t before = server_rss(s);
	expect("after %d more the server has not grown: what a batch closes is freed when the batch is over",
	       10 * ROUNDS);
	come_and_go(s, ROUNDS);
	uint64_t after = server_rss(s);
	if (after > before + BOUND)
		probe_fail(
			"expected the server to grow by less than %d KiB, but it grew by %llu KiB: closed connections are never freed",
			BOUND / 1024, (unsigned long long)(after - before) / 1024);
	done(s);
}

/* ---- 4.3 EPOLLOUT only while a reply is stuck ---- */

Test(ch04_counts, ex3_no_call_for_a_reply_that_fits)
{
	enum { CLIENTS = 8 };
	struct server *s = server_start_traced();

	given("%d clients and a holder are connected and quiet; the server is traced", CLIENTS);
	struct client *holder = client_open(s, "the holder"), **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	given("all of them send PING while the loop is held, and get their replies");
	struct calls c = held_batch(s, holder, clients, CLIENTS);
	expect("no epoll_ctl: each reply fits into its socket, so there is nothing to ask for");
	size_t asked = count_of(c, "epoll_ctl", NULL);
	if (asked > 0)
		probe_fail("expected no epoll_ctl, but %d replies cost %zu of them, the first of which was %s", CLIENTS,
			   asked, first_of(c, "epoll_ctl"));
	done(s);
}

Test(ch04_counts, ex3_two_calls_for_a_reply_that_is_stuck)
{
	struct server *s = server_start_traced();

	given("a slow client is connected; the server is traced");
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	uint64_t from = server_quiet(s);
	given("it asks for 1 MiB and takes nothing, until the socket is full and the server quiet");
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("it gets all of it, once it reads");
	client_expect_blob(slow, BLOB_MAX);
	expect("two epoll_ctl: one asks for EPOLLOUT when the socket is full, one takes that back when the rest has left");
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t asked = count_of(c, "epoll_ctl", NULL), writes = count_of(c, "write", NULL);
	journal_note("measured", "%zu", asked);
	if (asked != 2)
		probe_fail("expected 2 calls of epoll_ctl for a reply that left in %zu writes, but there were %zu",
			   writes, asked);
	done(s);
}

Test(ch04, ex3_others_are_served_meanwhile)
{
	struct server *s = server_start_default();

	given("client A and a slow client are connected");
	struct client *a = client_open(s, "A"), *slow = client_open_slow(s, "the slow client");
	client_ping(a);
	client_ping(slow);
	expect("the server sleeps: nobody waits for room, so it need not hear that there is some");
	server_quiet(s);
	given("the slow client asks for 1 MiB and takes nothing");
	client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	expect("A is answered, and the server sleeps while the slow client's socket is full");
	client_ping(a);
	expect_no_spin(s);
	expect("the slow client gets all of it, once it reads; then the server sleeps again");
	client_expect_blob(slow, BLOB_MAX);
	expect_no_spin(s);
	done(s);
}

Test(ch04, ex3_reads_again_afterwards)
{
	enum { BLOBS = 3 };
	struct server *s = server_start_default();

	given("a slow client asks for %d times 1 MiB in one piece and takes nothing", BLOBS);
	struct client *slow = client_open_slow(s, "the slow client");
	client_ping(slow);
	for (int i = 0; i < BLOBS; i++)
		client_send(slow, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("it gets all of it, once it reads");
	for (int i = 0; i < BLOBS; i++)
		client_expect_blob(slow, BLOB_MAX);
	expect("then the server reads from it again: EPOLLIN, not asked for while too much was unsent, is asked for again");
	client_ping(slow);
	done(s);
}

/* ---- 4.4 Accept the burst ---- */

enum { BURST = 200 };

/* BURST clients connect while the loop is held. */
static struct client **burst(struct server *s, struct client *holder)
{
	server_hold(s, holder, &hold_spin, LONG_HOLD_US);
	return clients_open(s, BURST);
}

Test(ch04_counts, ex4_few_waits_for_a_burst)
{
	enum { WAITS_MAX = 20 };
	struct server *s = server_start_traced();

	given("a holder is connected; the server is traced");
	struct client *holder = client_open(s, "the holder");
	client_ping(holder);
	uint64_t from = server_quiet(s);
	given("%d clients connect while the loop is held", BURST);
	burst(s, holder);
	expect("they are accepted in a few wake-ups, %d at the most", WAITS_MAX);
	struct calls c = calls_between(s, from, server_quiet(s));
	size_t waits = count_of(c, "epoll_wait", NULL) - 1; /* one was the holder's */
	journal_note("measured", "%zu", waits);
	if (waits > WAITS_MAX)
		probe_fail(
			"expected %d epoll_wait at the most, but %d connections took %zu: after one accept4 another may succeed at once",
			WAITS_MAX, BURST, waits);
	expect("each costs one accept4 and one epoll_ctl, and nothing else, but for one EAGAIN in a wake-up");
	size_t accepts = count_of(c, "accept4", NULL);
	if (accepts > BURST + waits)
		probe_fail(
			"expected accept4 to fail once in a wake-up at the most, but in %zu wake-ups %d connections took %zu of them: after EAGAIN nothing is left to accept",
			waits, BURST, accepts);
	for (size_t i = 0; i < c.count; i++)
		if (!is_call(&c.all[i], "epoll_wait", NULL) && !is_call(&c.all[i], "accept4", NULL) &&
		    !is_call(&c.all[i], "epoll_ctl", NULL) && !is_call(&c.all[i], "read", "SPIN"))
			probe_fail("expected accept4 and epoll_ctl alone, but there was also %s", c.all[i].raw);
	done(s);
}

Test(ch04_counts, ex4_the_others_have_a_turn)
{
	struct server *s = server_start_traced();
	size_t accepts = 0;

	given("client A and a holder are connected; the server is traced");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	given("%d clients connect while the loop is held, and then A sends ECHO", BURST);
	burst(s, holder);
	client_send(a, "ECHO patience\r\n");
	expect("A is read before more than half of them are accepted");
	client_expect(a, "$8\r\npatience\r\n");
	struct calls c = calls_between(s, from, server_quiet(s));
	for (size_t i = 0; i < c.count && !is_call(&c.all[i], "read", "ECHO"); i++)
		accepts += is_call(&c.all[i], "accept4", NULL);
	if (accepts > BURST / 2)
		probe_fail(
			"expected a bound on the accepts in a row, but A's request waited for %zu of them: whoever connects in a loop keeps all others waiting",
			accepts);
	done(s);
}

Test(ch04, ex4_none_of_them_blocks)
{
	enum { CLIENTS = 3, BLOBS = 8 };
	struct client *slow[CLIENTS];
	struct server *s = server_start_default();

	given("client A and a holder are connected; while the loop is held, %d slow clients connect", CLIENTS);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++)
		slow[i] = client_open_slow(s, NULL);
	given("each of them asks for %d times 1 MiB and takes nothing", BLOBS);
	for (int i = 0; i < CLIENTS; i++)
		for (int j = 0; j < BLOBS; j++)
			client_send(slow[i], "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
	expect("A is answered: a write to a full socket returns EAGAIN and does not wait, since accept4 set SOCK_NONBLOCK");
	client_ping(a);
	done(s);
}

Test(ch04, ex4_out_of_descriptors)
{
	enum { NOFILE = 16, CLIENTS = 20 };
	struct client *clients[CLIENTS];

	needs("rlimit files");
	struct server *s = server_start_limited(NOFILE);
	given("the server may have %d descriptors, and %d clients connect and send PING", NOFILE, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(s, NULL);
		client_send(clients[i], "PING\r\n");
	}
	expect("it serves those it has a descriptor for, and does not spin because others wait");
	client_expect(clients[0], "+PONG\r\n");
	expect_no_spin(s);
	expect("when others leave, their descriptors serve those who wait");
	for (int i = 0; i < CLIENTS / 2; i++)
		client_reset(clients[i]);
	for (int i = CLIENTS / 2; i < CLIENTS; i++)
		client_expect(clients[i], "+PONG\r\n");
	done(s);
}
