/*
 * link.c: one connection under load: requests go, replies come and are
 * compared byte by byte with what must come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load.h"
#include "probe_internal.h"

enum {
	READ_BYTES = 256 * 1024, /* of one read; more comes with the next */
	SHOWN_MAX = 60,		 /* bytes of a wrong reply that the message shows */
};

/* ---- send ---- */

static void keep_rest(struct link *l, const char *bytes, size_t size)
{
	l->rest = realloc(l->rest, l->rest_size + size);
	memcpy(l->rest + l->rest_size, bytes, size);
	l->rest_size += size;
	l->blocked = true;
}

static void lost(struct run *r, struct link *l, const char *how)
{
	const char *owed = l->in_flight > 0 ? text(" with %u replies owed", l->in_flight) : "";

	run_fail(r, "after %lu replies connection %zu %s%s: %s", r->replies, l->number + 1, how, owed,
		 run_server_state(r));
}

static void transmit(struct run *r, struct link *l, const char *bytes, size_t size)
{
	ssize_t n = l->blocked ? 0 : send(l->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lost(r, l, text("ended (%s)", strerror(errno)));
		return;
	}
	n = n > 0 ? n : 0;
	if ((size_t)n < size)
		keep_rest(l, bytes + n, size - (size_t)n);
}

void link_flush(struct run *r, struct link *l)
{
	char *rest = l->rest;
	size_t size = l->rest_size;

	if (!l->blocked)
		return;
	l->rest = NULL;
	l->rest_size = 0;
	l->blocked = false;
	transmit(r, l, rest, size);
	free(rest);
}

/* Which command, and what of it is remembered until its reply. */
static const struct command *next_command(struct run *r, struct link *l, uint64_t intended, uint64_t now)
{
	size_t which = r->mix->count > 1 ? mix_choose(r->mix, draw(&r->commands)) : 0;
	const struct command *c = &r->mix->commands[which];
	bool counted = intended >= r->from && (r->plan->count == 0 ? intended < r->until : r->counted_left > 0);

	r->sent++;
	r->counted += counted;
	r->counted_left -= counted && r->plan->count > 0;
	if (!c->reply)
		return c;
	l->ring[(l->first + l->in_flight) % r->plan->pipeline] =
		(struct pending){ .intended = intended, .sent = now, .command = (uint32_t)which, .counted = counted };
	l->in_flight++;
	r->in_flight++;
	return c;
}

void link_ask(struct run *r, struct link *l, size_t count, uint64_t intended, uint64_t now)
{
	static char bytes[PIPELINE_MAX * REQUEST_SIZE];
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += command_request(next_command(r, l, intended, now), &r->commands, bytes + size);
	transmit(r, l, bytes, size);
}

/* ---- receive ---- */

static void record(struct run *r, struct link *l, uint64_t now)
{
	const struct pending *p = &l->ring[l->first];
	const struct command *c = &r->mix->commands[p->command];

	if (p->counted) {
		histogram_add(&r->latency, now - p->intended);
		histogram_add(&r->naive, now - p->sent);
		if (r->mix->count > 1) {
			histogram_add(c->latency, now - p->intended);
			histogram_add(c->naive, now - p->sent);
		}
	}
	l->first = (l->first + 1) % (uint32_t)r->plan->pipeline;
	l->in_flight--;
	l->matched = 0;
	r->in_flight--;
	r->replies++;
	r->completed += now >= r->from && now < r->until;
}

/* What came in place of `c`'s reply: that part of it which was right, and then `bytes`. */
static void wrong_reply(struct run *r, const struct link *l, const struct command *c, const char *bytes, size_t size)
{
	char got[SHOWN_MAX * 2];
	size_t right = l->matched < SHOWN_MAX ? l->matched : SHOWN_MAX, more = size < SHOWN_MAX ? size : SHOWN_MAX;

	memcpy(got, c->reply + l->matched - right, right);
	memcpy(got + right, bytes, more);
	run_fail(r, "after %lu replies a wrong one to %s: expected %s, got %s%s", r->replies, c->name,
		 quoted(c->reply, c->reply_size, SHOWN_MAX), right < l->matched ? "…" : "",
		 quoted(got, right + more, SHOWN_MAX));
}

static void accept_bytes(struct run *r, struct link *l, const char *bytes, size_t size)
{
	uint64_t now = load_now();

	while (size > 0 && l->in_flight > 0) {
		const struct command *c = &r->mix->commands[l->ring[l->first].command];
		size_t left = c->reply_size - l->matched, n = left < size ? left : size;

		if (memcmp(bytes, c->reply + l->matched, n) != 0) {
			wrong_reply(r, l, c, bytes, size);
			return;
		}
		l->matched += n;
		bytes += n;
		size -= n;
		if (l->matched == c->reply_size)
			record(r, l, now);
	}
	r->last_reply = now;
	if (size > 0)
		run_fail(r, "after %lu replies one that nobody asked for: %s", r->replies,
			 quoted(bytes, size, SHOWN_MAX));
}

void link_receive(struct run *r, struct link *l)
{
	static char bytes[READ_BYTES];
	ssize_t n;

	do {
		n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			accept_bytes(r, l, bytes, (size_t)n);
		else if (n == 0)
			lost(r, l, "was closed by the server");
		else if (errno != EAGAIN && errno != EINTR)
			lost(r, l, text("ended (%s)", strerror(errno)));
	} while (!r->failure && (n == sizeof(bytes) || (n < 0 && errno == EINTR)));
}
