/*
 * unit_talk.h: a server without sockets. It feeds one connection of the kit,
 * acts on every verdict as a server would, and writes down what was replied
 * and what was asked of it. The unit tests and the fuzzer share it.
 *
 * What the kit promises of every state is checked after each step; the first
 * broken promise is a sentence in `fault`, and ends the talk.
 */
#ifndef CROSSINGS_UNIT_TALK_H
#define CROSSINGS_UNIT_TALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "resp.h"

enum {
	TALK_ID = 42,			    /* CLIENT ID of the connection under test */
	OTHER_ID = 43,			    /* and of one that CLIENT KILL may name */
	TALK_ACTS_MAX = 8 * 1024,	    /* bytes of acts that are kept; the others are dropped */
	TALK_REPLIES_MAX = 4 * 1024 * 1024, /* bytes of replies after which a talk ends early */
	ONE_REPLY_MAX = 1024 * 1024 + 64,   /* a BLOB of the largest size, its head and its line end */
};

struct talk {
	struct conn *c, *other; /* `other` is NULL once killed */
	size_t first, piece;	/* bytes of the first read, and of each later one; 0: all there is */
	uint64_t seed;		/* not 0: reads and writes of random sizes, and sockets that are full */
	const char *bytes;	/* what the peer has sent, not yet read */
	size_t left;
	bool end; /* after them the peer shuts down its writing side */
	char *replies;
	size_t size, room;
	char acts[TALK_ACTS_MAX];
	size_t acts_size;
	const char *fault;
};

/* xorshift64: enough to be unlike the parser, and the same on every machine. */
static uint64_t talk_random(struct talk *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	t->seed ^= t->seed << 17;
	return t->seed;
}

/* False when memory has run out. The ids are set, so that two talks can be compared. */
static bool talk_begin(struct talk *t)
{
	t->c = conn_new(3);
	t->other = t->c ? conn_new(4) : NULL;
	if (!t->other)
		return false;
	t->c->id = TALK_ID;
	t->other->id = OTHER_ID;
	return true;
}

static void talk_end(struct talk *t)
{
	if (t->c)
		conn_free(t->c);
	if (t->other)
		conn_free(t->other);
	free(t->replies);
	t->c = t->other = NULL;
	t->replies = NULL;
}

static bool talk_full(const struct talk *t)
{
	return t->size >= TALK_REPLIES_MAX;
}

static void talk_keep_reply(struct talk *t, const char *bytes, size_t size)
{
	if (t->size + size > t->room) {
		t->room = 2 * t->room + size + 256;
		t->replies = realloc(t->replies, t->room);
		if (!t->replies)
			abort();
	}
	memcpy(t->replies + t->size, bytes, size);
	t->size += size;
}

static void talk_keep_act(struct talk *t, const char *act, uint64_t a, uint64_t b)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "%s %llu %llu;", act, (unsigned long long)a, (unsigned long long)b);

	if (t->acts_size + (size_t)size >= sizeof(t->acts))
		return;
	memcpy(t->acts + t->acts_size, text, (size_t)size + 1);
	t->acts_size += (size_t)size;
}

static const char *broken_buffer(const struct buf *b)
{
	if (b->head > b->tail || b->tail > b->size)
		return "a buffer's bounds crossed";
	if (!b->data && b->size > 0)
		return "a buffer has a size and no memory";
	if (b->data && b->head == b->tail)
		return "a buffer without bytes was kept";
	return NULL;
}

/* A promise that the kit broke when it answered `v`, or NULL. */
static const char *broken_promise(const struct talk *t, enum verdict v)
{
	const struct conn *c = t->c;

	if (broken_buffer(&c->in) || broken_buffer(&c->out))
		return c->failed ? NULL : broken_buffer(&c->in) ? broken_buffer(&c->in) : broken_buffer(&c->out);
	if (conn_unsent(c) > (size_t)UNSENT_MAX + ONE_REPLY_MAX)
		return "more is unsent than UNSENT_MAX and one reply";
	if (c->in.tail - c->in.head > REQUEST_MAX + READ_SIZE)
		return "more was buffered than one request and one read";
	if (c->failed && v != CONN_CLOSE)
		return "memory has run out, and the verdict is not CONN_CLOSE";
	if (v == CONN_READ && conn_unsent(c) > 0)
		return "CONN_READ while replies are unsent";
	if (v == CONN_READ && !conn_wants_read(c))
		return "CONN_READ, but conn_wants_read() is false";
	if (v == CONN_WRITE && conn_unsent(c) == 0)
		return "CONN_WRITE, but nothing is unsent";
	if (v == CONN_CLOSE && conn_unsent(c) > 0 && !c->failed)
		return "CONN_CLOSE while replies are unsent";
	if (v == CONN_CLOSE && conn_wants_read(c))
		return "CONN_CLOSE, but conn_wants_read() is true";
	if (v == CONN_WAIT)
		return "CONN_WAIT, but all work is done";
	return NULL;
}

static void talk_write(struct talk *t)
{
	size_t size = conn_unsent(t->c);

	if (t->seed)
		size = 1 + talk_random(t) % size;
	talk_keep_reply(t, conn_out(t->c), size);
	conn_sent(t->c, size);
}

/* What work costs is the server's affair: here, nothing. Asked too early, the kit must say WAIT, or WRITE. */
static void talk_work(struct talk *t)
{
	enum verdict v = conn_next(t->c);

	if (v != (conn_unsent(t->c) > 0 ? CONN_WRITE : CONN_WAIT) && !t->c->failed)
		t->fault = "work is under way, and the verdict is neither CONN_WRITE nor CONN_WAIT";
	conn_worked(t->c);
}

static void talk_kill(struct talk *t)
{
	struct conn *victim = conn_victim(t->c);

	talk_keep_act(t, "kill", victim ? victim->id : 0, 0);
	if (!victim)
		return;
	if (victim != t->other) {
		t->fault = "conn_victim() names a connection that was not meant";
		return;
	}
	conn_retire(victim);
	conn_reap();
	t->other = NULL;
}

static void talk_act(struct talk *t, enum verdict v)
{
	switch (v) {
	case CONN_WRITE:
		talk_write(t);
		break;
	case CONN_WORK:
		talk_keep_act(t, "work", t->c->cpu_us, t->c->wait_us);
		talk_work(t);
		break;
	case CONN_SPIN:
		talk_keep_act(t, "spin", t->c->cpu_us, t->c->wait_us);
		talk_work(t);
		break;
	case CONN_KILL:
		talk_kill(t);
		break;
	default:
		break;
	}
}

/*
 * One read. The bytes lie in memory of their own, exactly as large, which is
 * scribbled over and freed afterwards: the kit may neither look past them nor
 * keep a pointer to them.
 */
static enum verdict talk_read(struct talk *t)
{
	size_t size = t->first ? t->first : t->piece ? t->piece : t->left;

	t->first = 0;
	if (t->seed)
		size = 1 + talk_random(t) % (talk_random(t) % 4 ? 16 : READ_SIZE);
	if (size > t->left)
		size = t->left;
	if (size > READ_SIZE)
		size = READ_SIZE;
	if (size == 0)
		t->end = false;
	char *bytes = malloc(size + !size);
	if (!bytes)
		abort();
	memcpy(bytes, t->left ? t->bytes : "", size);
	t->bytes += size;
	t->left -= size;
	enum verdict v = conn_feed(t->c, bytes, size);
	memset(bytes, 0xaa, size);
	free(bytes);
	return v;
}

/* Whether a server would read next: there is something, and it may, and it waits for that, or its socket is full. */
static bool talk_reads(struct talk *t, enum verdict v)
{
	if ((t->left == 0 && !t->end) || !conn_wants_read(t->c))
		return false;
	return v == CONN_READ || (v == CONN_WRITE && t->seed && talk_random(t) % 2);
}

/* The peer sends `size` bytes, and shuts down its writing side after them if `end`. Returns the last verdict. */
static enum verdict talk(struct talk *t, const char *bytes, size_t size, bool end)
{
	enum verdict v = conn_next(t->c);

	t->bytes = bytes;
	t->left = size;
	t->end = end;
	while (!t->fault && !talk_full(t)) {
		t->fault = broken_promise(t, v);
		if (t->fault)
			break;
		if (talk_reads(t, v)) {
			v = talk_read(t);
			continue;
		}
		if (v == CONN_READ || v == CONN_CLOSE)
			break;
		talk_act(t, v);
		v = conn_next(t->c);
	}
	return v;
}

#endif
