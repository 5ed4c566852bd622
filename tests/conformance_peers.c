/*
 * conformance_peers.c: peers that reset, vanish, or close one another:
 * trouble on one connection is trouble of that connection alone.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "support.h"

enum { HOLD_US = 50000 }; /* long enough to send what the loop is to find when it returns */

/* ---- resets, in every state a connection can be in ---- */

static void leave_at_once(struct server *s, struct client *c)
{
	(void)s;
	(void)c;
}

static void leave_quietly(struct server *s, struct client *c)
{
	(void)c;
	server_quiet(s);
}

static void leave_after_a_ping(struct server *s, struct client *c)
{
	(void)s;
	client_ping(c);
}

static void leave_in_mid_request(struct server *s, struct client *c)
{
	client_send(c, "*2\r\n$4\r\nECHO\r\n$1000\r\nhalf");
	server_quiet(s);
}

static void leave_with_replies_owed(struct server *s, struct client *c)
{
	(void)s;
	for (int i = 0; i < 100; i++)
		client_send(c, "PING\r\n");
}

static void leave_with_replies_unread(struct server *s, struct client *c)
{
	client_send(c, "PING\r\nPING\r\n");
	server_quiet(s);
}

static void leave_with_a_reply_stuck(struct server *s, struct client *c)
{
	client_send(c, "BLOB %d\r\n", BLOB_MAX);
	server_quiet(s);
}

static void leave_with_a_reply_stuck_half_closed(struct server *s, struct client *c)
{
	leave_with_a_reply_stuck(s, c);
	client_shut_writing(c);
	server_quiet(s);
}

static void leave_while_working(struct server *s, struct client *c)
{
	(void)s;
	client_send(c, "WORK 0 20000\r\nPING\r\n");
}

static const struct state {
	const char *what, *needs;
	void (*reach)(struct server *s, struct client *c);
} states[] = {
	{ "at once", "", leave_at_once },
	{ "once it is accepted", "", leave_quietly },
	{ "after a PING and its answer", "", leave_after_a_ping },
	{ "in the middle of a request", "", leave_in_mid_request },
	{ "with 100 PINGs just sent", "", leave_with_replies_owed },
	{ "with replies unread", "", leave_with_replies_unread },
	{ "with a reply of 1 MiB stuck", "blob", leave_with_a_reply_stuck },
	{ "half-closed, with a reply of 1 MiB stuck", "blob", leave_with_a_reply_stuck_half_closed },
	{ "while the server works for it", "work", leave_while_working },
};

static void leave_in_every_state(void (*leave)(struct client *c), const char *how)
{
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (*states[i].needs && exempt(states[i].needs))
			continue;
		given("client B %s %s", how, states[i].what);
		struct client *b = client_open_slow(s, "B");
		states[i].reach(s, b);
		leave(b);
		expect("A is served");
		client_ping(a);
		expect("the server has closed B's connection");
		expect_files(s, files);
	}
	server_stop(s);
	journal_pass();
}

Test(conformance, outlives_resets_in_every_state)
{
	leave_in_every_state(client_reset, "resets the connection");
}

Test(conformance, outlives_closes_in_every_state)
{
	leave_in_every_state(client_close, "closes the connection");
}

Test(conformance, outlives_resets_with_requests_queued)
{
	enum { CLIENTS = 20 };
	struct client *clients[CLIENTS];

	needs("spin");
	struct server *s = server_start_default();
	given("client A and %d others are connected", CLIENTS);
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	size_t files = files_at_rest(s);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = client_open(s, NULL);
	server_quiet(s);
	given("while the loop is held, each of them sends requests and resets the connection, but for the last one");
	server_hold(s, holder, &hold_spin, HOLD_US);
	for (int i = 0; i < CLIENTS; i++) {
		client_send(clients[i], i % 2 ? "PING\r\nBLOB 100000\r\n" : "PING\r\nPIN");
		if (i < CLIENTS - 1)
			client_reset(clients[i]);
	}
	client_send(a, "PING\r\n");
	expect("A is answered, and so is the one that stayed");
	client_expect(a, "+PONG\r\n");
	client_expect(clients[CLIENTS - 1], "+PONG\r\n");
	client_expect_blob(clients[CLIENTS - 1], 100000);
	client_close(clients[CLIENTS - 1]);
	expect("every descriptor was given back");
	expect_files(s, files);
	server_stop(s);
	journal_pass();
}

Test(conformance, outlives_a_thousand_that_vanish)
{
	enum { CLIENTS = 1000 };
	struct server *s = server_start_default();

	given("client A is connected");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	given("%d clients connect and vanish, by reset and by close, with or without a word", CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = client_open(s, NULL);
		if (i % 3 == 0)
			client_send_some(c, "PING\r\n", 6);
		if (i % 2)
			client_reset(c);
		else
			client_close(c);
	}
	expect("A is served, and every descriptor was given back");
	client_ping(a);
	expect_files(s, files);
	server_stop(s);
	journal_pass();
}

/* ---- one connection's request closes another ---- */

/* Whatever `c` was still told, it is a beginning of `reply`; then the end. */
static void expect_killed(struct client *c, const char *reply)
{
	char bytes[64];
	size_t size = client_read_some(c, bytes, sizeof(bytes));

	if (size > strlen(reply) || memcmp(bytes, reply, size) != 0)
		probe_fail("expected nothing but \"%s\" before the end, but %zu bytes came: \"%.*s\"", reply, size,
			   (int)size, bytes);
}

Test(conformance, kills_the_client_that_is_named)
{
	struct server *s = server_start_default();

	given("clients A, B and C are connected and quiet");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	unsigned long long id = client_id(b), own = client_id(a);
	client_ping(c);
	expect("A's CLIENT KILL ID of B is answered with the number of clients killed, and closes B");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	client_expect_end(b, true);
	server_quiet(s);
	expect("an id that is gone, one that never was, and A's own name nobody");
	client_send(a, "CLIENT KILL ID %llu\r\nclient kill id 999999999\r\nCLIENT KILL ID %llu\r\n", id, own);
	client_expect(a, ":0\r\n:0\r\n:0\r\n");
	expect("A and C are served");
	client_ping(a);
	client_ping(c);
	server_stop(s);
	journal_pass();
}

Test(conformance, outlives_a_stale_event)
{
	needs("spin");
	struct server *s = server_start_default();
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);

	for (int round = 0; round < 4; round++) {
		given("clients A, B and C are connected and quiet");
		struct client *b = client_open(s, "B"), *c = client_open(s, "C");
		unsigned long long id = client_id(b);
		client_ping(c);
		server_quiet(s);
		given("the loop is held; A sends CLIENT KILL ID of B, %s B and C send PING",
		      round % 2 ? "after" : "and");
		server_hold(s, holder, &hold_spin, HOLD_US);
		if (round % 2 == 0)
			client_send(a, "CLIENT KILL ID %llu\r\nPING\r\n", id);
		client_send(b, "PING\r\n");
		client_send(c, "PING\r\n");
		if (round % 2)
			client_send(a, "CLIENT KILL ID %llu\r\nPING\r\n", id);
		expect("the loop goes on with all three in one batch: A and C are answered, and B is closed");
		client_expect(a, ":1\r\n+PONG\r\n");
		client_expect(c, "+PONG\r\n");
		expect_killed(b, "+PONG\r\n");
		client_close(b);
		client_close(c);
		expect("both connections were closed once");
		expect_files(s, files);
	}
	server_stop(s);
	journal_pass();
}

Test(conformance, outlives_two_that_kill_each_other)
{
	needs("spin");
	struct server *s = server_start_default();
	struct client *holder = client_open(s, "the holder");

	for (int round = 0; round < 3; round++) {
		given("clients A, B and C are connected; while the loop is held, A kills B and C, and B kills A and C");
		struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
		unsigned long long ids[] = { client_id(a), client_id(b), client_id(c) };
		server_quiet(s);
		server_hold(s, holder, &hold_spin, HOLD_US);
		client_send(a, "CLIENT KILL ID %llu\r\nCLIENT KILL ID %llu\r\n", ids[1], ids[2]);
		client_send(b, "CLIENT KILL ID %llu\r\nCLIENT KILL ID %llu\r\n", ids[0], ids[2]);
		client_send(c, "PING\r\n");
		expect("C is closed, and the server lives");
		expect_killed(c, "+PONG\r\n");
		expect_served(s, "D");
		client_reset(a);
		client_reset(b);
		client_close(c);
	}
	server_stop(s);
	journal_pass();
}

/* The descriptor of a connection that was killed goes to the next one that is accepted: perhaps in the same batch. */
static void kill_and_connect(struct server *s, struct client *holder, struct client *a, int order)
{
	struct client *b = client_open(s, "B"), *d = NULL;
	unsigned long long id = client_id(b);

	server_quiet(s);
	given("the loop is held; A kills B, B sends a request, and D connects, %s", order == 0 ? "in this order"
										    : order == 1
											    ? "but D before B's request"
											    : "but D first of all");
	server_hold(s, holder, &hold_spin, HOLD_US);
	if (order == 2)
		d = client_open(s, "D");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	if (order == 1)
		d = client_open(s, "D");
	client_send(b, "ECHO for-B\r\nECHO for-B\r\n");
	if (order == 0)
		d = client_open(s, "D");
	expect("A is answered, and B is closed");
	client_expect(a, ":1\r\n");
	expect_killed(b, "$5\r\nfor-B\r\n$5\r\nfor-B\r\n");
	expect("D, which may have B's descriptor, gets the replies to its own requests and no other's");
	client_send(d, "ECHO for-D\r\n");
	client_expect(d, "$5\r\nfor-D\r\n");
	client_expect_silence(d);
	client_close(b);
	client_close(d);
}

Test(conformance, keeps_apart_those_who_share_a_descriptor)
{
	needs("spin");
	struct server *s = server_start_default();
	given("the holder and client A are connected");
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	for (int round = 0; round < 6; round++)
		kill_and_connect(s, holder, a, round % 3);
	server_stop(s);
	journal_pass();
}

Test(conformance, kills_a_client_whose_reply_is_stuck)
{
	needs("blob");
	struct server *s = server_start_default();
	given("client A is connected; B, slow, has asked for 1 MiB and takes nothing");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	struct client *b = client_open_slow(s, "B");
	unsigned long long id = client_id(b);
	client_send(b, "BLOB %d\r\nPING\r\n", BLOB_MAX);
	server_quiet(s);
	expect("A's CLIENT KILL ID of B closes B's connection");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	expect_files(s, files);
	expect("A is served, and a newcomer as well");
	client_ping(a);
	expect_served(s, "C");
	server_stop(s);
	journal_pass();
}

Test(conformance, kills_a_client_it_works_for)
{
	needs("work");
	struct server *s = server_start_default();
	given("clients A and B are connected, and the server works for B");
	struct client *a = client_open(s, "A");
	client_ping(a);
	size_t files = files_at_rest(s);
	struct client *b = client_open(s, "B");
	unsigned long long id = client_id(b);
	client_send(b, "WORK 1000 50000\r\n");
	expect("A's CLIENT KILL ID of B is answered, at the latest when that work is done, and closes B");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	expect_killed(b, "+DONE\r\n");
	client_close(b);
	expect("the work's end reaches nobody: a newcomer gets its own replies only");
	struct client *c = client_open(s, "C");
	client_ping(c);
	client_expect_silence(c);
	client_close(c);
	expect_files(s, files);
	server_stop(s);
	journal_pass();
}

/* ---- interrupted waits ---- */

static void stop_and_continue(struct server *s)
{
	siginfo_t info = { 0 };

	server_tell(s, SIGSTOP);
	for (int tries = 0; info.si_pid == 0 && tries < PATIENCE_MS; tries++) {
		struct timespec millisecond = { 0, 1000000 };
		waitid(P_PID, (id_t)server_pid(s), &info, WSTOPPED | WNOHANG | WNOWAIT);
		nanosleep(&millisecond, NULL);
	}
	if (info.si_pid == 0)
		probe_fail("the server could not be stopped");
	server_tell(s, SIGCONT);
}

Test(conformance, goes_on_after_being_stopped)
{
	struct server *s = server_start_default();
	given("client A is connected and quiet");
	struct client *a = client_open(s, "A");
	client_ping(a);
	for (int i = 0; i < 3; i++) {
		server_quiet(s);
		given("the server is stopped and continued, which interrupts its wait (EINTR)");
		stop_and_continue(s);
		expect("it goes on: A is served, and a newcomer");
		client_ping(a);
		expect_served(s, "B");
	}
	server_stop(s);
	journal_pass();
}
