#include "exercise.h"

#include <string.h>
#include <sys/resource.h>

enum { HOLD_MAX_US = 400000 }; /* a busy machine needs longer than HOLD_US; beyond this the test is skipped */

void done(struct server *s)
{
	server_kill(s);
	journal_pass();
}

void needs_descriptors(size_t count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < count)
		probe_skip("a process may have %llu descriptors here, and this test needs %zu",
			   (unsigned long long)limit.rlim_max, count);
}

/* ---- what the log says ---- */

struct calls calls_between(struct server *s, uint64_t from, uint64_t to)
{
	struct calls c;

	c.all = server_crossings(s, from, to, &c.count);
	return c;
}

bool is_call(const struct crossing *c, const char *name, const char *within)
{
	return strcmp(c->name, name) == 0 && (!within || strstr(c->args, within));
}

size_t count_of(struct calls c, const char *name, const char *within)
{
	size_t found = 0;

	for (size_t i = 0; i < c.count; i++)
		found += is_call(&c.all[i], name, within);
	return found;
}

bool held_round(struct server *s, struct client *holder, uint32_t *us, struct client **clients, size_t k,
		const char *request, size_t reply_size, struct calls *calls)
{
	if (*us > HOLD_MAX_US)
		probe_skip("this machine is too busy to hold the server for as long as it takes to send %zu requests",
			   k);
	struct round r = server_round(s, holder, &hold_spin, *us, clients, k, request, reply_size);
	*us *= 2;
	*calls = calls_between(s, r.start, r.end);
	return r.exact;
}

struct calls held_batch(struct server *s, struct client *holder, struct client **clients, size_t k)
{
	uint32_t us = HOLD_US;
	struct calls calls;

	while (!held_round(s, holder, &us, clients, k, "PING\r\n", 7, &calls))
		;
	return calls;
}

/* ---- steps ---- */

void clients_ping(struct client **clients, size_t count)
{
	for (size_t i = 0; i < count; i++)
		client_ping(clients[i]);
}

void ask_for_blob(struct client *c)
{
	client_send(c, "BLOB %d\r\n", BLOB_MAX);
	client_await_bytes(c);
}

static void come_and_go(struct server *s, const char *request, const char *reply, int rounds)
{
	enum { AT_ONCE = 100 };

	for (int round = 0; round < rounds; round++) {
		struct client **clients = clients_open(s, AT_ONCE);
		for (int i = 0; i < AT_ONCE; i++)
			client_send(clients[i], "%s\r\n", request);
		for (int i = 0; i < AT_ONCE; i++) {
			client_expect(clients[i], "%s\r\n", reply);
			client_close(clients[i]);
		}
		server_quiet(s);
	}
}

void expect_the_gone_forgotten(struct server *s, const char *request, const char *reply)
{
	enum { ROUNDS = 50, BOUND_KIB = 256 }; /* 5,000 connections that are never freed take three times as much */

	given("some clients have come, sent %s, got the reply and gone: the server has all the memory it needs",
	      request);
	come_and_go(s, request, reply, 5);
	uint64_t before = server_rss(s);
	expect("after %d more the server has not grown: whoever is gone is freed", 100 * ROUNDS);
	come_and_go(s, request, reply, ROUNDS);
	uint64_t after = server_rss(s);
	if (after > before + BOUND_KIB * 1024)
		probe_fail(
			"expected the server to grow by less than %d KiB, but it grew by %llu KiB: connections that are closed are still held",
			BOUND_KIB, (unsigned long long)(after - before) / 1024);
}

void expect_stop(struct server *s, const char *call, struct client *const *clients, size_t count)
{
	server_quiet(s); /* else the signal might not meet it there */
	expect("SIGTERM, which interrupts %s with EINTR, ends the server with status 0, and the clients see the end",
	       call);
	server_stop(s);
	for (size_t i = 0; i < count; i++)
		client_expect_end(clients[i], false);
	journal_pass();
}
