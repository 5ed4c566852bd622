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

/* What is remembered of a burst until its replies have come. */
static void remember(struct run *r, struct link *l, size_t which, size_t count, uint64_t intended, uint64_t now)
{
	bool counted = intended >= r->from && (r->plan->count == 0 ? intended < r->until : r->counted_left > 0);
	uint32_t n = (uint32_t)count;

	r->sent += n;
	r->counted += counted ? n : 0;
	r->counted_left -= counted && r->plan->count > 0 ? n : 0;
	if (!r->mix->commands[which].reply)
		return;
	l->ring[(l->first + l->bursts++) % r->plan->pipeline] = (struct burst){
		.intended = intended, .sent = now, .command = (uint32_t)which, .left = n, .counted = counted
	};
	l->in_flight += n;
	r->in_flight += n;
}

static void ask_mixed(struct run *r, struct link *l, size_t count, uint64_t intended, uint64_t now)
{
	static char bytes[PIPELINE_MAX * REQUEST_SIZE];
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size_t which = r->mix->count > 1 ? mix_choose(r->mix, draw(&r->commands)) : 0;

		remember(r, l, which, 1, intended, now);
		size += command_request(&r->mix->commands[which], &r->commands, bytes + size);
	}
	transmit(r, l, bytes, size);
}

void link_ask(struct run *r, struct link *l, size_t count, uint64_t intended, uint64_t now)
{
	const struct command *c = &r->mix->commands[0];

	if (r->mix->count > 1 || c->drawn) {
		ask_mixed(r, l, count, intended, now);
		return;
	}
	remember(r, l, 0, count, intended, now);
	transmit(r, l, c->requests, count * c->request_size);
}

/* ---- receive ---- */

/* `count` replies have come, to requests of the first burst. */
static void record(struct run *r, struct link *l, uint32_t count, uint64_t now)
{
	struct burst *b = &l->ring[l->first];
	const struct command *c = &r->mix->commands[b->command];

	if (b->counted) {
		histogram_add(&r->latency, now - b->intended, count);
		histogram_add(&r->naive, now - b->sent, count);
		if (r->mix->count > 1) {
			histogram_add(c->latency, now - b->intended, count);
			histogram_add(c->naive, now - b->sent, count);
		}
	}
	b->left -= count;
	if (b->left == 0) {
		l->first = (l->first + 1) % (uint32_t)r->plan->pipeline;
		l->bursts--;
	}
	l->in_flight -= count;
	r->in_flight -= count;
	r->replies += count;
	r->completed += now >= r->from && now < r->until ? count : 0;
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

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many bytes, of both, are alike. */
static size_t alike(const char *a, const char *b, size_t size)
{
	size_t n = 0;

	if (memcmp(a, b, size) == 0)
		return size;
	while (a[n] == b[n])
		n++;
	return n;
}

static void accept_bytes(struct run *r, struct link *l, const char *bytes, size_t size)
{
	uint64_t now = load_now();

	while (size > 0 && l->bursts > 0) {
		const struct burst *b = &l->ring[l->first];
		const struct command *c = &r->mix->commands[b->command];
		size_t n = smaller(smaller(b->left, c->repeats) * c->reply_size - l->matched, size);
		size_t right = alike(bytes, c->replies + l->matched, n), whole = (l->matched + right) / c->reply_size;

		l->matched = (l->matched + right) % c->reply_size;
		bytes += right;
		size -= right;
		if (whole > 0)
			record(r, l, (uint32_t)whole, now);
		if (right < n) {
			wrong_reply(r, l, c, bytes, size);
			return;
		}
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
