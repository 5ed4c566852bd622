/*
 * ch09.c: the exercises of chapter 9, completion ports. Two suites:
 *	ch09		what the port, and the servers on it, do; on the sanitized build
 *	ch09_counts	which system calls that takes; on the plain build, under strace
 *
 * Who holds a slot can't be seen from outside. So the port is linked with a
 * program of its own (inside_ch09.c) that plays a scene and prints what its
 * workers saw; what is to be thought of that is decided here.
 */
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
				"expected the completion \"%s\" (kind, key, result, bytes), but the completions were: %.300s",
				lines[i], out);
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
		expect("over %d completions, every seventh of which blocks, never more than %d workers run", COUNT, c);
		out = scene("many", WORKERS, c, COUNT);
		if (seen(out, "holders") > c)
			probe_fail("expected %d workers to run at the most, but at some time %d did", c,
				   seen(out, "holders"));
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

Test(ch09, ex2_one_completion_wakes_one)
{
	enum { WORKERS = 32, COUNT = 200, SWITCHES_MAX = 6 };

	given("a port with a concurrency of 2, and %d workers that sleep", WORKERS);
	expect("%d completions, one at a time, take %d context switches each at the most: the others sleep on", COUNT,
	       SWITCHES_MAX);
	int switches = seen(scene("wakes", WORKERS, 2, COUNT), "switches");
	if (switches > SWITCHES_MAX)
		probe_fail(
			"expected %d context switches for a completion at the most, but there were %d: one worker is woken",
			SWITCHES_MAX, switches);
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
