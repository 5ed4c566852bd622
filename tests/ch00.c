/*
 * ch00.c: the exercises of chapter 0, the boundary. The program under test is
 * run to its end, under strace where its system calls are judged, without it
 * where its context switches are. Two suites:
 *	ch00		what it does; on the sanitized build
 *	ch00_counts	which crossings and which switches that takes; on the plain build
 *
 * No test judges a time. The figures that the report shows beside a prediction
 * are ratios within one run of the test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support.h"

enum {
	WORDS_MAX = 8, /* of a command */
	REPEATS = 5, /* runs of which the best is taken: other programs can add context switches, and take none away */
};

BLACK_BOX_SUITE(ch00);
BLACK_BOX_SUITE(ch00_counts);

/* ---- running it ---- */

/* SERVER, which is the program here, with the words of `line`; it must exit with 0. */
static struct program_run run(const char *strace, const char *line)
{
	char *words[WORDS_MAX + 1] = { server_command()[0] }, *copy = strdup(line);
	size_t count = 1;

	for (char *word = strtok(copy, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
		words[count++] = word;
	struct program_run r = program_run(words, strace);
	if (!WIFEXITED(r.status) || WEXITSTATUS(r.status) != 0)
		probe_fail("%s", r.state);
	return r;
}

/* " KEY=", until the next one is asked for. */
static const char *text_of_key(const char *key)
{
	static char text[64];

	snprintf(text, sizeof(text), " %s=", key);
	return text;
}

/* The number after KEY= in the line that it printed. */
static double printed(const struct program_run *r, const char *key)
{
	const char *found = strstr(r->out, text_of_key(key));

	if (!found)
		probe_fail("%s printed no %s=: it said \"%s\"", r->command, key, r->out);
	return strtod(strchr(found, '=') + 1, NULL);
}

/* ---- what the log says ---- */

static bool is_call(const struct crossing *c, const char *name)
{
	return strcmp(c->name, name) == 0;
}

static size_t count_of(const struct program_run *r, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < r->count; i++)
		found += is_call(&r->crossings[i], name);
	return found;
}

/* The first call of that name, from `at` on; r->count where there is none. */
static size_t find(const struct program_run *r, const char *name, size_t at)
{
	while (at < r->count && !is_call(&r->crossings[at], name))
		at++;
	return at;
}

/* Calls of that name through the pipes which the program made, with how many bytes they moved. */
struct traffic {
	size_t calls;
	long bytes, largest, last;
};
static struct traffic traffic_of(const struct program_run *r, const char *name)
{
	struct traffic t = { .calls = 0 };

	for (size_t i = find(r, "pipe2", 0); i < r->count; i++) {
		const struct crossing *c = &r->crossings[i];

		if (!is_call(c, name) || strncmp(c->args, "1, ", 3) == 0 || c->result <= 0)
			continue;
		t.calls++;
		t.bytes += c->result;
		t.last = c->result;
		t.largest = c->result > t.largest ? c->result : t.largest;
	}
	return t;
}

/* ---- 0.1 Time a crossing ---- */

Test(ch00_counts, ex1_one_crossing_each)
{
	enum { N = 1000 };

	needs("counts");
	expect("boundary crossing %d runs to its end under strace", N);
	struct program_run r = run("", "crossing 1000");
	size_t seen = count_of(&r, "getppid"), first = find(&r, "getppid", 0);
	journal_note("measured", "%zu", count_of(&r, "clock_gettime"));
	expect("the log shows %d calls of getppid", N);
	if (seen == 0)
		probe_fail(
			"expected %d calls of getppid, but the log shows none, and %zu of clock_gettime: what the vDSO answers does not cross the boundary",
			N, count_of(&r, "clock_gettime"));
	if (seen != N)
		probe_fail(
			"expected %d calls of getppid, but the log shows %zu: the time is divided by %d, so what is timed has to be as many",
			N, seen, N);
	expect("between the first and the last of them there is no other call");
	for (size_t i = first; i < first + N; i++)
		if (!is_call(&r.crossings[i], "getppid"))
			probe_fail(
				"expected getppid alone, but the loop also calls %s: its time is counted as the crossing's",
				r.crossings[i].raw);
	journal_pass();
}

Test(ch00_counts, ex1_no_context_switch)
{
	enum { N = 100000, ONE_IN = 100 }; /* other programs on the machine take the core away now and then */

	needs("counts");
	expect("boundary crossing %d runs to its end, and nobody watches", N);
	struct program_run r = run(NULL, "crossing 100000");
	expect("it had fewer than %d context switches: a crossing does not take the core away from its program",
	       N / ONE_IN);
	if (r.context_switches >= N / ONE_IN)
		probe_fail("expected less than one context switch in %d calls, but %d calls took %llu", ONE_IN, N,
			   (unsigned long long)r.context_switches);
	journal_pass();
}

/* ---- 0.2 Switch to another process ---- */

/* Of several runs the least: on one core a round trip can't do with less than two, and others may add some. */
static uint64_t least_switches(const char *line)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		struct program_run r = run(NULL, line);
		if (r.context_switches < least)
			least = r.context_switches;
	}
	return least;
}

Test(ch00_counts, ex2_two_switches_a_round)
{
	enum { N = 5000, LEAST = 2 * N - N / 50, MOST = 2 * N + N / 5 };

	needs("counts");
	expect("boundary switch %d runs to its end, and nobody watches", N);
	unsigned long long switches = least_switches("switch 5000");
	journal_note("measured", "%.2f", (double)switches / N);
	expect("the kernel has counted %d context switches, 2 a round, voluntary and involuntary ones together", 2 * N);
	if (switches < N / 2)
		probe_fail(
			"expected %d context switches, but there were %llu in %d rounds: one process that calls the kernel, and need not wait, keeps its core",
			2 * N, switches, N);
	if (switches < LEAST)
		probe_fail(
			"expected %d context switches, but there were %llu in %d rounds: each byte must be waited for, by either process, and the partner's switches count once it was waited for",
			2 * N, switches, N);
	if (switches > MOST)
		probe_fail(
			"expected %d context switches, but there were %llu in %d rounds: somebody is woken for nothing",
			2 * N, switches, N);
	journal_pass();
}

Test(ch00_counts, ex2_four_calls_a_round)
{
	enum { N = 500 };

	needs("counts");
	expect("boundary switch %d runs to its end under strace", N);
	struct program_run r = run("", "switch 500");
	struct traffic reads = traffic_of(&r, "read"), writes = traffic_of(&r, "write");
	expect("the log shows %d writes and %d reads of one byte each", 2 * N, 2 * N);
	if (writes.calls != 2 * N || reads.calls != 2 * N || writes.largest != 1)
		probe_fail(
			"expected %d writes and %d reads of one byte, but there were %zu writes of %ld bytes in all, and %zu reads",
			2 * N, 2 * N, writes.calls, writes.bytes, reads.calls);
	expect("no call in between but these");
	size_t last = r.count;
	while (last > 0 && !(is_call(&r.crossings[last - 1], "write") && r.crossings[last - 1].result == 1))
		last--;
	size_t first = find(&r, "write", 0), others = 0;
	for (size_t i = first; i < last; i++)
		others += r.crossings[i].result != 1 ||
			  (!is_call(&r.crossings[i], "write") && !is_call(&r.crossings[i], "read"));
	if (others > N / 10)
		probe_fail(
			"expected reads and writes alone, but there were %zu other calls: the first byte is asked for by a read that waits, not by asking again and again",
			others);
	journal_pass();
}

/* ---- 0.3 Amortize ---- */

static const struct move {
	const char *line;
	long bytes, chunk;
} moves[] = {
	{ "move 1000 1", 1000, 1 },
	{ "move 10000 64", 10000, 64 },
	{ "move 1048576 4096", 1048576, 4096 },
	{ "move 1000000 4096", 1000000, 4096 },
	{ "move 1048577 65536", 1048577, 65536 },
	{ "move 10 65536", 10, 65536 },
};
enum { MOVES = sizeof(moves) / sizeof(moves[0]) };

Test(ch00_counts, ex3_bytes_per_crossing)
{
	needs("counts");
	for (size_t i = 0; i < MOVES; i++) {
		const struct move *m = &moves[i];
		size_t wanted = (size_t)((m->bytes + m->chunk - 1) / m->chunk);

		expect("boundary %s runs to its end under strace", m->line);
		struct program_run r = run("", m->line);
		struct traffic writes = traffic_of(&r, "write"), reads = traffic_of(&r, "read");
		expect("%ld bytes in chunks of %ld have left in %zu writes", m->bytes, m->chunk, wanted);
		if (writes.bytes != m->bytes || reads.bytes != m->bytes)
			probe_fail(
				"expected %ld bytes to be written and read, but %ld were written, and %ld read: the last chunk holds what is left, no less and no more",
				m->bytes, writes.bytes, reads.bytes);
		if (writes.calls != wanted)
			probe_fail(
				"expected %zu writes for %ld bytes in chunks of %ld, but there were %zu, the largest of %ld",
				wanted, m->bytes, m->chunk, writes.calls, writes.largest);
		if (writes.largest > m->chunk)
			probe_fail("expected no write of more than %ld bytes, but one was of %ld", m->chunk,
				   writes.largest);
	}
	journal_pass();
}

Test(ch00_counts, ex3_what_it_saves)
{
	enum { N = 1048576 };

	needs("counts");
	expect("boundary moves %d bytes, one at a time, while nobody watches", N);
	struct program_run one = run(NULL, "move 1048576 1");
	expect("and then 65536 at a time");
	struct program_run many = run(NULL, "move 1048576 65536");
	expect("both have moved all of them");
	if (printed(&one, "count") != N || printed(&many, "count") != N)
		probe_fail("expected count=%d from both, but they said \"%s\" and \"%s\"", N, one.out, many.out);
	journal_note("measured", "%.0f", printed(&one, "cpu_ns_each") / printed(&many, "cpu_ns_each"));
	journal_pass();
}

Test(ch00, ex3_stays_within_its_buffer)
{
	expect("boundary move 1048577 65536 runs to its end, on the sanitized build");
	struct program_run r = run(NULL, "move 1048577 65536");
	expect("it counts 1048577 bytes");
	if (printed(&r, "count") != 1048577)
		probe_fail("expected count=1048577, but it said \"%s\"", r.out);
	journal_pass();
}

/* ---- 0.4 The observer's price ---- */

Test(ch00_counts, ex4_calls_are_not_stops)
{
	enum { N = 2000 };

	needs("counts");
	given("under strace, boundary crossing %d makes %d calls of getppid", N, N);
	struct program_run traced = run("", "crossing 2000");
	if (count_of(&traced, "getppid") != N)
		probe_fail("the log shows %zu calls of getppid, not %d", count_of(&traced, "getppid"), N);
	expect("boundary observe %d, which watches the same loop, counts as many", N);
	struct program_run r = run(NULL, "observe 2000");
	double counted = printed(&r, "count");
	if (counted >= 2 * N)
		probe_fail(
			"expected count=%d, but it counted %.0f: a call stops its caller twice, on the way into the kernel and on the way out",
			N, counted);
	if (counted != N)
		probe_fail(
			"expected count=%d, but it counted %.0f: of all the calls that the child makes, those of getppid are wanted",
			N, counted);
	expect("each of them took four context switches: to the observer and back, twice");
	if (r.context_switches < 4 * N - N / 10)
		probe_fail(
			"expected %d context switches at least, but there were %llu: has the child been stopped at each call?",
			4 * N, (unsigned long long)r.context_switches);
	journal_pass();
}

Test(ch00_counts, ex4_what_survives)
{
	enum { N = 10000 };

	needs("counts");
	given("boundary crossing %d runs, and nobody watches", N);
	struct program_run bare = run(NULL, "crossing 10000");
	given("it runs again, under strace");
	struct program_run traced = run("", "crossing 10000");
	journal_note("measured", "%.0f", printed(&traced, "ns_each") / printed(&bare, "ns_each"));
	expect("the number of calls survives: %d", N);
	if (count_of(&traced, "getppid") != N)
		probe_fail("expected %d calls of getppid in the log, but there were %zu", N,
			   count_of(&traced, "getppid"));
	expect("the number of context switches does not: two a call, where there was hardly any");
	double before = printed(&bare, "context_switches"), after = printed(&traced, "context_switches");
	if (before >= N / 10 || after < 2 * N - N / 10)
		probe_fail(
			"expected next to no context switch without strace and %d with it, but the program counted %.0f and %.0f",
			2 * N, before, after);
	journal_pass();
}
