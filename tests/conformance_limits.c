/*
 * conformance_limits.c: descriptors that run out, connections by the
 * thousand, and what a server does while it has nothing to do.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "support.h"

enum {
	NOFILE = 16, /* descriptors of a server that is to run out of them */
	/*
	 * System calls of any kind in WATCH_MS by a server that is full: a
	 * timer every 100 ms and a few calls at each. One that spins makes
	 * thousands, under strace too.
	 */
	FULL_CALLS_MAX = 100,
};

/* ---- out of descriptors ---- */

/* Connects clients until the server has no descriptor left; the last in `clients` waits for one. Returns how many. */
static size_t fill_descriptors(struct server *s, struct client **clients)
{
	size_t count = 0;

	while (count < NOFILE && server_open_files(s) < NOFILE) {
		clients[count] = client_open(s, NULL);
		client_ping(clients[count++]);
	}
	clients[count++] = client_open(s, "the one that waits");
	client_send(clients[count - 1], "PING\r\n");
	return count;
}

Test(conformance, recovers_when_descriptors_return)
{
	struct client *clients[NOFILE + 1];

	needs("rlimit files");
	struct server *s = server_start_limited(NOFILE);
	given("the server may have %d descriptors, and clients connect until it has no more; one waits", NOFILE);
	size_t count = fill_descriptors(s, clients);
	expect("the server lives, serves those it has, and does not spin");
	for (size_t i = 0; i + 1 < count; i++)
		client_ping(clients[i]);
	expect_no_spin(s);
	for (int round = 0; round < 3; round++) {
		expect("once a client has left, the one that waits is served");
		client_close(clients[0]);
		clients[0] = clients[count - 1];
		client_expect(clients[0], "+PONG\r\n");
		given("the server is full again, and another one waits");
		clients[count - 1] = client_open(s, "the next one that waits");
		client_send(clients[count - 1], "PING\r\n");
	}
	expect("the one that waits may lose patience; the others do not notice");
	client_reset(clients[count - 1]);
	for (size_t i = 0; i + 1 < count; i++)
		client_ping(clients[i]);
	server_stop(s);
	journal_pass();
}

Test(conformance, does_not_spin_when_descriptors_are_out)
{
	struct client *clients[NOFILE + 1];

	needs("rlimit files counts");
	struct server *s = server_start_with(NULL, "", NOFILE);
	given("the server may have %d descriptors, and clients connect until it has no more; one waits; it is traced",
	      NOFILE);
	size_t count = fill_descriptors(s, clients);
	expect("while it is full it makes %d system calls of any kind at most in %d ms", FULL_CALLS_MAX, WATCH_MS);
	expect_calls_at_most(s, FULL_CALLS_MAX);
	expect("once a client has left, the one that waits is served");
	client_close(clients[0]);
	client_expect(clients[count - 1], "+PONG\r\n");
	server_stop(s);
	journal_pass();
}

Test(conformance, raises_its_descriptor_limit)
{
	enum { SOFT = 64, CLIENTS = 100 };
	struct rlimit limit, low;

	needs("rlimit");
	given("the server is started with a soft limit of %d descriptors, and a higher hard limit", SOFT);
	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = SOFT;
	setrlimit(RLIMIT_NOFILE, &low);
	struct server *s = server_start_default();
	setrlimit(RLIMIT_NOFILE, &limit);
	expect("it raises it, and serves %d clients at once", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_ping(clients[i]);
	server_stop(s);
	journal_pass();
}

/* ---- many ---- */

Test(conformance, accepts_a_burst)
{
	enum { CLIENTS = 200 };

	needs("spin");
	struct server *s = server_start_default();
	struct client *holder = client_open(s, "the holder"), *a = client_open(s, "A");
	client_ping(a);
	given("while the loop is held, %d clients connect and send a PING each", CLIENTS);
	server_hold(s, holder, &hold_spin, 50000);
	struct client **clients = clients_open(s, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		client_send(clients[i], "PING\r\n");
	expect("all of them are answered, and A as well");
	for (int i = 0; i < CLIENTS; i++)
		client_expect(clients[i], "+PONG\r\n");
	client_ping(a);
	server_stop(s);
	journal_pass();
}

/* False where the server is full: it says so and closes, whether it has been asked by then or not. */
static bool is_served(struct client *c)
{
	static const char ping[] = "PING\r\n";
	const char *line;

	client_send_some(c, ping, sizeof(ping) - 1);
	line = client_read_line(c);
	if (strcmp(line, "+PONG") == 0)
		return true;
	if (strncmp(line, "-ERR ", 5) != 0)
		probe_fail("expected \"+PONG\", or a refusal as in \"-ERR too many connections\", but \"%.60s\" came",
			   line);
	client_expect_end(c, true);
	return false;
}

Test(conformance, holds_five_thousand_connections)
{
	enum { CLIENTS = 5000, SPARE = 100, SERVED_MIN = 500 };
	struct rlimit limit;
	size_t served = 0;

	needs("crowd");
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < CLIENTS + SPARE)
		probe_skip("this machine allows a process %llu descriptors only", (unsigned long long)limit.rlim_max);
	struct server *s = server_start_default();
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	given("%d clients are connected at once", CLIENTS);
	struct client **clients = clients_open(s, CLIENTS);
	expect("each is answered, or, where the server has a bound, refused by \"-ERR …\" and closed");
	for (int i = 0; i < CLIENTS; i++)
		served += is_served(clients[i]);
	journal_note("served", "%zu", served);
	if (served < SERVED_MIN)
		probe_fail("expected %d clients to be served at least, but there were %zu", SERVED_MIN, served);
	expect("those who were served first are served still");
	client_ping(clients[0]);
	expect("when all have left at once, a newcomer is served");
	for (int i = 0; i < CLIENTS; i++)
		client_close(clients[i]);
	expect_served(s, "A");
	server_stop(s);
	journal_pass();
}

/* ---- nothing to do ---- */

static void greet_and_fall_silent(struct server *s)
{
	enum { CLIENTS = 50 };
	struct client **clients = clients_open(s, CLIENTS);

	given("%d clients are connected; some were served, some are in the middle of a request, all are silent",
	      CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		if (i % 3 == 0)
			client_ping(clients[i]);
		if (i % 3 == 1)
			client_send(clients[i], "*1\r\n$4\r\nPI");
	}
}

Test(conformance, makes_no_calls_while_idle)
{
	needs("cpu");
	struct server *s = server_start_traced();
	greet_and_fall_silent(s);
	expect("the server, traced, makes no system call in %d ms", WATCH_MS);
	expect_calls_at_most(s, 0);
	expect("it still serves");
	expect_served(s, "A");
	server_stop(s);
	journal_pass();
}

Test(conformance, uses_no_cpu_while_idle)
{
	struct server *s = server_start_default();

	greet_and_fall_silent(s);
	expect("the server sleeps");
	expect_no_spin(s);
	server_stop(s);
	journal_pass();
}
