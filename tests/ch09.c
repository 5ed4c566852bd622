/*
 * ch09.c: the exercises of chapter 9, completion ports. Two suites:
 *	ch09		what the port, and the servers on it, do; on the sanitized build
 *	ch09_counts	which system calls that takes; on the plain build, under strace
 *
 * Who holds a slot can't be seen from outside. So the port is linked with a
 * program of its own (inside_ch09.c) that plays a scene and prints what its
 * workers saw; what is to be thought of that is decided here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exercise.h"

BLACK_BOX_SUITE(ch09);
BLACK_BOX_SUITE(ch09_counts);

/* ---- what the port's workers saw ---- */

/* The program that plays scenes: the environment's SERVER_INSIDE, in quotes or not. */
static char *inside(void)
{
	static char path[512];
	const char *named = getenv("SERVER_INSIDE");

	if (!named)
		probe_fail("the environment's SERVER_INSIDE does not name the program that plays scenes with the port");
	snprintf(path, sizeof(path), "%s", named + (*named == '"'));
	path[strcspn(path, "\"")] = '\0';
	return path;
}

/* Plays a scene; where it gets stuck, or the program dies, the sentence says where. */
static const char *scene(const char *name, int workers, int concurrency, int count)
{
	char numbers[3][12];

	snprintf(numbers[0], sizeof(numbers[0]), "%d", workers);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", concurrency);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", count);
	char *argv[] = { inside(), (char *)name, numbers[0], numbers[1], numbers[2], NULL };
	struct program_run run = program_run(argv, NULL);
	const char *stuck = strstr(run.out, "stuck ");
	if (stuck)
		probe_fail("the port is %.*s", (int)strcspn(stuck, "\n"), stuck);
	if (run.status != 0 || !strstr(run.out, "end\n"))
		probe_fail("expected the port to play its part to the end, but %s", run.state);
	return run.out;
}

/* The value behind `word` in a scene's lines. */
static int seen(const char *out, const char *word)
{
	size_t length = strlen(word);

	for (const char *line = out; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			return atoi(line + length + 1);
	probe_fail("the scene printed no %s: \"%.100s\"", word, out);
}

/* The lines that begin with `word`, without it: "A 4, D 3". */
static const char *told(const char *out, const char *word)
{
	static char text[400];
	size_t size = 0, length = strlen(word);

	text[0] = '\0';
	for (const char *line = out; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%.*s", size ? ", " : "",
						 (int)strcspn(line + length + 1, "\n"), line + length + 1);
	return text;
}

/* All lines, in one. */
static const char *listed(const char *out)
{
	static char text[400];

	snprintf(text, sizeof(text), "%.300s", out);
	for (char *at = text; (at = strchr(at, '\n')); at++)
		*at = ',';
	return text;
}

static void expect_all_once(const char *out, int count)
{
	int handed_out = seen(out, "handed_out"), twice = seen(out, "twice");

	if (handed_out != count || twice)
		probe_fail(
			"expected %d completions to be handed out, once each, but %d were, %d of them more than once",
			count, handed_out, twice);
}

/* ---- 9.1 A port on Linux ---- */

Test(ch09, ex1_what_a_completion_carries)
{
	static const char *const lines[] = { "recv A 5 hello", "send A 5 ",  "sent world",
					     "post B 42 ",     "recv - -9 ", "recv A 0 " };

	given("a port, and a socket that is associated with the key A");
	expect("what is started there completes: with its kind, the key, the result and what was received");
	const char *out = scene("operations", 0, 1, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(out, lines[i]))
			probe_fail(
				"expected the completion \"%s\" (kind, key, result, bytes), but port_wait returned (none: NULL): %s",
				lines[i], listed(out));
	journal_pass();
}

Test(ch09, ex1_nothing_is_lost)
{
	enum { COUNT = 2000 };
	static const int workers[] = { 1, 2, 8 }, concurrency[] = { 4, 2, 2 };

	given("completions come faster than they are dealt with");
	for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++) {
		expect("with %d worker%s and a concurrency of %d, %d completions are handed out, each once", workers[i],
		       workers[i] > 1 ? "s" : "", concurrency[i], COUNT);
		expect_all_once(scene("many", workers[i], concurrency[i], COUNT), COUNT);
	}
	journal_pass();
}

Test(ch09, ex1_a_burst_from_the_ring)
{
	enum { COUNT = 600 };

	given("%d sockets have bytes to receive; the port has buffers for 256 receives", COUNT);
	expect("every receive is handed out, once: those that find no buffer wait for one");
	expect_all_once(scene("burst", 4, 2, COUNT), COUNT);
	journal_pass();
}

Test(ch09, ex1_completions_that_come_at_once)
{
	enum { COUNT = 4 };

	given("%d receives wait for one socket, and %d workers for completions", COUNT, COUNT);
	expect("the peer closes, which completes all of them at once: each is handed out to a worker");
	int holders = seen(scene("together", COUNT, COUNT, COUNT), "holders");
	if (holders != COUNT)
		probe_fail("expected %d workers to be given a completion, but %d were, and the others sleep", COUNT,
			   holders);
	journal_pass();
}

Test(ch09, ex1_the_queue_is_the_locks)
{
	given("a worker waits; a receive is started whose bytes are there, so it completes while port_recv has the lock");
	expect("the poller waits for the lock before it touches the operation and the queue");
	if (seen(scene("locked", 1, 1, 1), "touched"))
		probe_fail(
			"the poller has completed an operation while another thread held the port's lock: two threads that change the queue at once lose what is in it");
	journal_pass();
}

Test(ch09, ex1_the_server_serves)
{
	enum { CLIENTS = 20, BLOB = 1000000 };

	given("the server on the port is started");
	struct server *s = server_start_default();
	expect("%d clients are served, one after the other and all at once", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	clients_ping(clients, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "PING\r\nBLOB %d\r\n", BLOB / CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		client_expect(clients[i], "+PONG\r\n");
		client_expect_blob(clients[i], BLOB / CLIENTS);
	}
	expect("it has nothing to do, and does nothing");
	expect_no_spin(s);
	done(s);
}

Test(ch09_counts, ex1_an_operation_is_a_crossing)
{
	given("the server on the port is traced; a client is connected and quiet");
	struct server *s = server_start_traced();
	struct client *a = client_open(s, "A");
	expect("A is answered");
	client_ping(a);
	uint64_t from = server_quiet(s);
	client_ping(a);
	struct calls c = calls_between(s, from, server_quiet(s));
	journal_note("measured", "%zu", c.count);
	long operations = 0;
	for (size_t i = 0; i < c.count; i++)
		operations += is_call(&c.all[i], "io_uring_enter", NULL) && c.all[i].result > 0 ? c.all[i].result : 0;
	expect("a PING takes two operations, a send and the next receive, and each is submitted when it is started");
	if (operations != 2)
		probe_fail("expected 2 operations for a PING, but the ring was given %ld", operations);
	done(s);
}

/* ---- 9.2 The concurrency value ---- */

Test(ch09, ex2_never_more_than_c)
{
	enum { WORKERS = 8, COUNT = 10000 };

	for (int c = 1; c <= 3; c++) {
		given("a port with a concurrency of %d, and %d workers", c, WORKERS);
		expect("of %d completions that nobody finishes, %d are handed out, not more, not fewer", WORKERS, c);
		const char *out = scene("held", WORKERS, c, WORKERS);
		if (seen(out, "holders") != c)
			probe_fail("expected %d of the workers to run, but %d did", c, seen(out, "holders"));
		expect("over %d completions, every seventh of which blocks, never more than %d of the workers run",
		       COUNT, c);
		out = scene("many", WORKERS, c, COUNT);
		if (seen(out, "holders") > c)
			probe_fail(
				"expected at most %d of the workers to run, but at some time %d did: see who takes a slot, and when, at a hand-out and after a block",
				c, seen(out, "holders"));
		expect_all_once(out, COUNT);
	}
	journal_pass();
}

Test(ch09, ex2_a_block_lets_the_next_in)
{
	enum { BLOCKED = 6, C = 2 };

	given("a port with a concurrency of %d, and %d workers; %d completions, whose workers block", C, 2 * BLOCKED,
	      BLOCKED);
	expect("all %d block at the same time: each has lent its slot to the next", BLOCKED);
	const char *out = scene("lent", 2 * BLOCKED, C, BLOCKED);
	journal_note("measured", "%d", seen(out, "blocked"));
	if (seen(out, "blocked") != BLOCKED)
		probe_fail("expected %d workers to be blocked at the same time, but %d were", BLOCKED,
			   seen(out, "blocked"));
	expect("of %d more completions, %d run: the slots are all in use again", BLOCKED, C);
	if (seen(out, "holders") != C)
		probe_fail("expected %d workers to run while others are blocked, but %d did", C, seen(out, "holders"));
	expect("when all %d come back from their block, %d workers run, as before", BLOCKED, C);
	if (seen(out, "holders_after") != C || seen(out, "most_holders") != C)
		probe_fail(
			"expected %d workers to run when others come back from a block, but %d did: who comes back waits for a slot",
			C, seen(out, "most_holders"));
	journal_pass();
}

Test(ch09, ex2_slots_are_the_locks)
{
	given("a port with a concurrency of 1, and 2 workers; one is about to block, while another thread has the lock");
	const char *out = scene("aside", 2, 1, 3);
	expect("it waits for the lock before it gives its slot back");
	if (seen(out, "blocked"))
		probe_fail(
			"port_block has returned while another thread held the port's lock: of two that count at once, one is lost");
	expect("it waits for the lock before it lines up for a slot");
	if (seen(out, "back"))
		probe_fail(
			"port_unblock has returned while another thread held the port's lock: of two that line up at once, one is lost");
	journal_pass();
}

Test(ch09, ex2_back_first_in_line)
{
	given("a port with a concurrency of 1: A blocks, then D; B holds the slot, and C's completion waits");
	given("A comes back, then D; then B ends");
	const char *out = scene("line", 4, 1, 0);
	expect("the slot goes to A, then to D, and only then to C");
	const char *ends = told(out, "ends");
	char got[16] = "", *at = got;
	for (const char *p = ends; *p && at < got + sizeof(got) - 1; p++)
		if (*p >= 'A' && *p <= 'D')
			*at++ = *p;
	*at = '\0';
	if (strcmp(got, "BADC") != 0)
		probe_fail(
			"expected them to end in the order B, A, D, C, but it was %s (each with its worker's number)",
			ends);
	journal_pass();
}

Test(ch09, ex2_the_last_to_sleep_wakes_first)
{
	given("a port with a concurrency of 1; workers 1, 2, 3 and 4 went to wait, in this order");
	const char *out = scene("order", 4, 1, 4);
	expect("four completions, one after the other, all go to worker 4: it is always the last that went to sleep");
	const char *begins = told(out, "begins");
	if (strncmp(begins, "alone 4, alone 4, alone 4, alone 4", 34) != 0)
		probe_fail("expected worker 4 to be given all four, but they were given to (alone WORKER): %.34s",
			   begins);
	expect("when each of them blocks, the next go to 3, 2 and 1");
	if (!strstr(begins, "away 4, away 3, away 2, away 1"))
		probe_fail("expected the workers 4, 3, 2 and 1, but they were given to (away WORKER): %s", begins + 36);
	journal_pass();
}

Test(ch09, ex2_who_asks_goes_on)
{
	given("a port with a concurrency of 1, and 4 workers; one holds the slot, and 3 completions wait for it");
	const char *begins = told(scene("on", 4, 1, 3), "begins");
	expect("the worker that held it takes them all: it asks, lies on top of the list, and need not sleep");
	char first = begins[strlen("first ")];
	for (const char *p = begins; (p = strstr(p, "next ")); p++)
		if (p[strlen("next ")] != first)
			probe_fail(
				"expected worker %c to go on with all of them, but they were given to (next WORKER): %s; a worker that asks lies down before its slot is handed out",
				first, begins);
	journal_pass();
}

Test(ch09, ex2_a_waiting_request_holds_nobody_up)
{
	static const char *const words[] = { "--workers", "4", "--concurrency", "1", NULL };
	struct server *s = server_start_with(words, NULL, 0);

	given("the server has 4 workers, of which 1 may run; clients A, B and C are connected");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B"), *c = client_open(s, "C");
	client_ping(a);
	client_ping(b);
	client_ping(c);
	given("A and B have sent WORK, which waits for two seconds");
	client_send(a, "WORK 0 2000000\r\n");
	client_send(b, "WORK 0 2000000\r\n");
	server_quiet(s);
	expect("C is answered meanwhile: the port has lent the slot on");
	client_ping(c);
	client_expect_silence(a);
	client_expect_silence(b);
	expect("then A and B are answered");
	client_expect(a, "+DONE\r\n");
	client_expect(b, "+DONE\r\n");
	done(s);
}

/* ---- 9.3: the server for Windows, under Wine ---- */

/* As the server under test: what comes after SERVER_WIN32. SIGINT is its Ctrl-C. */
static struct server *windows_server(void)
{
	const char *command = getenv("SERVER_WIN32");

	if (!command)
		probe_skip("there is no MinGW-w64 here, or no Wine: make windows installs them");
	probe_sigterm = SIGINT;
	setenv("PROBE_PATIENCE", "4", 0); /* on a busy machine Wine takes seconds to start */
	setenv("SERVER", command, 1);
	return server_start_default();
}

Test(ch09, ex3_a_cancelled_receive_completes)
{
	struct server *s = windows_server();

	given("clients A and B are connected; the server waits for bytes of both");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	unsigned long long id = client_id(b);
	server_quiet(s);
	expect("A closes B by CLIENT KILL, and B sees the end");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	client_expect_end(b, true);
	expect("the receive that waited for B completes all the same; A is served as before, and a newcomer");
	client_ping(a);
	expect_served(s, "C");
	client_ping(a);
	expect("Ctrl-C ends the server with 0");
	server_stop(s);
	journal_pass();
}

enum { OWED = 900000 }; /* less than a server leaves unsent before it stops to read */

/* B, slow: a receive and a send are in flight for it. */
static struct client *client_owed(struct server *s, unsigned long long *id)
{
	given("clients A and B are connected; B, slow, is owed most of a BLOB");
	struct client *b = client_open_slow(s, "B");
	*id = client_id(b);
	client_send(b, "BLOB %d\r\n", OWED);
	client_await_bytes(b);
	return b;
}

Test(ch09, ex3_a_cancelled_send_completes)
{
	struct server *s = windows_server();

	unsigned long long id;
	struct client *a = client_open(s, "A");
	client_owed(s, &id);
	client_ping(a);
	server_quiet(s);
	expect("A closes B by CLIENT KILL: of B's, a receive and a send are in flight, and both complete");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	for (int i = 0; i < 3; i++)
		client_ping(a);
	expect("newcomers are served, and A as before");
	expect_served(s, "C");
	expect_served(s, "D");
	client_ping(a);
	done(s);
}

Test(ch09, ex3_a_send_completes_before_the_receive)
{
	enum { AWAY_US = 500000 }; /* too short, it would catch less, and fail no more */
	struct server *s = windows_server();

	unsigned long long id;
	struct client *a = client_open(s, "A"), *b = client_owed(s, &id);
	client_ping(a);
	server_quiet(s);
	given("the server sleeps for A; B takes all of the BLOB; then A closes B by CLIENT KILL");
	client_send(a, "WORK 0 %d\r\nCLIENT KILL ID %llu\r\n", AWAY_US, id);
	client_read_faster(b);
	client_expect_blob(b, OWED);
	expect("B's send completes first, then its receive: neither names a connection that is gone");
	client_expect(a, "+DONE\r\n:1\r\n");
	client_expect_end(b, true);
	for (int i = 0; i < 3; i++)
		client_ping(a);
	expect_served(s, "C");
	client_ping(a);
	done(s);
}

Test(ch09, ex3_silent_clients_are_accepted)
{
	enum { SILENT = 7 };
	struct server *s = windows_server();

	given("%d clients connect, and say nothing", SILENT);
	clients_open(s, SILENT);
	expect("the one after them is number %d: each was accepted when it connected, before it sent a byte",
	       SILENT + 1);
	struct client *c = client_open(s, "the one after them");
	unsigned long long id = client_id(c);
	journal_note("measured", "%llu", id);
	if (id != SILENT + 1)
		probe_fail("expected the one after %d others to be number %d, but it is number %llu", SILENT,
			   SILENT + 1, id);
	done(s);
}

/* ---- 9.4: chapter 4's server on a ring ---- */

/* It takes the place of the server under test. */
static void choose_reactor(void)
{
	const char *command = getenv("SERVER_REACTOR");

	if (!command)
		probe_fail("SERVER_REACTOR is not set: it names the command under test");
	setenv("SERVER", command, 1);
}

static struct server *reactor(void)
{
	choose_reactor();
	return server_start_default();
}

Test(ch09, ex4_tells_until_all_is_read)
{
	enum { SIZE = 40000 };
	char text[SIZE + 1];
	struct server *s = reactor();

	memset(text, 'x', SIZE);
	text[SIZE] = '\0';
	expect("a holder and A, who come one after the other, are answered, and answered again: each event is told");
	struct client *holder = client_open(s, "the holder"), *a;
	client_ping(holder);
	client_ping(holder);
	a = client_open(s, "A");
	client_ping(a);
	server_quiet(s);
	given("the loop is held; A sends one ECHO of %d bytes, which takes three reads, and then nothing more", SIZE);
	server_hold(s, holder, &hold_spin, HOLD_US);
	client_send(a, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", SIZE, text);
	expect("A gets its reply: chapter 4's server reads once, and relies on being told again");
	client_expect(a, "$%d\r\n%s\r\n", SIZE, text);
	expect("A is served as before, and the server sleeps when there is nothing to do");
	client_ping(a);
	expect_no_spin(s);
	done(s);
}

Test(ch09, ex4_closed_is_closed)
{
	struct server *s = reactor();

	given("clients A and B are connected, and quiet: a poll is in flight for each");
	struct client *a = client_open(s, "A"), *b = client_open(s, "B");
	client_ping(a);
	unsigned long long id = client_id(b);
	server_quiet(s);
	expect("A closes B by CLIENT KILL, and B sees the end");
	client_send(a, "CLIENT KILL ID %llu\r\n", id);
	client_expect(a, ":1\r\n");
	client_expect_end(b, false);
	expect("a newcomer, who gets B's descriptor, is served, and so is A");
	expect_served(s, "C");
	client_ping(a);
	server_stop(s);
	journal_pass();
}

Test(ch09, ex4_a_half_closed_client_is_quiet)
{
	struct server *s = reactor();

	given("client A, slow, asks for 1 MiB and shuts down its writing side");
	struct client *a = client_open_slow(s, "A");
	ask_for_blob(a);
	client_shut_writing(a);
	expect("the server sleeps until A takes more: that A has ended is no news");
	expect_no_spin(s);
	expect("A gets all of it, and then the end");
	client_read_faster(a);
	client_expect_blob(a, BLOB_MAX);
	client_expect_end(a, false);
	done(s);
}

/* The price of a PING in k at once, by the rows that there may be. */
static double price_of_ping(struct server *s, size_t k)
{
	enum { NAMES_MAX = 16 };
	struct count_options options = {
		.k = k, .rounds = 5, .hold = &hold_spin, .request = "PING\r\n", .reply_size = 7
	};
	struct price prices[NAMES_MAX];
	const char *why;
	int count = server_price(s, &options, prices, NAMES_MAX, &why);

	if (count < 0)
		probe_skip("%s", why);
	for (int i = 0; i < count; i++)
		if (strcmp(prices[i].name, PRICE_OPERATIONS) == 0 && prices[i].per_request > 1)
			probe_fail(
				"expected one operation a request, its poll, but there were %.2f: to give a poll up is one, too",
				prices[i].per_request);
	return price_total(prices, count);
}

Test(ch09_counts, ex4_costs_what_epoll_costs)
{
	enum { K = 8, CALLS_MAX = 10 };

	choose_reactor();
	struct server *s = server_start_traced();
	given("chapter 4's server runs on a ring, traced; a client is connected and quiet");
	struct client *a = client_open(s, "A");
	client_ping(a);
	uint64_t from = server_quiet(s);
	/* Unheld, before the price: of a server that never rests, no hold can be told. */
	expect("it makes a few calls for a PING: a wait, a read, a write, and it waits again");
	client_ping(a);
	size_t made = calls_between(s, from, server_quiet(s)).count;
	if (made > CALLS_MAX)
		probe_fail(
			"expected 3 calls or 4 for a PING, but %zu were made: a poll that is submitted before the server has read completes at once, and reports what has been reported",
			made);
	expect("a PING that comes alone costs 3 crossings, as in chapter 4, and one operation besides");
	double alone = price_of_ping(s, 1);
	journal_note("measured", "%.2f", alone);
	if (alone != 3)
		probe_fail("expected 3 crossings for a request, but it cost %.2f: polls are submitted by the wait",
			   alone);
	expect("%d at once share the wait: 2 + 1/%d", K, K);
	double shared = price_of_ping(s, K);
	if (shared > 2 + 1.0 / K)
		probe_fail("expected %.3f crossings for each of %d requests, but they cost %.3f", 2 + 1.0 / K, K,
			   shared);
	done(s);
}
