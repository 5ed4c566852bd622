#include "conn.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "resp.h"

enum {
	BUF_MIN = 1024,			/* the first size of a buffer: the replies to many small requests */
	BLOB_MAX = 1024 * 1024,		/* bytes of a BLOB; more is answered with -ERR */
	WORK_MAX_US = 10 * 1000 * 1000, /* of computing, or of waiting; more is answered with -ERR */
};

static struct conn *all; /* every connection that is not freed, the newest first */
static struct conn *to_reap;
static uint64_t last_id;

/* ---- bytes ---- */

static size_t buf_size(const struct buf *b)
{
	return b->tail - b->head;
}

static void buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

/* Room for `size` bytes at the tail, or NULL. */
static char *buf_room(struct buf *b, size_t size)
{
	size_t used = buf_size(b);

	if (b->head > 0 && b->tail + size > b->size) {
		memmove(b->data, b->data + b->head, used);
		b->head = 0;
		b->tail = (uint32_t)used;
	}
	if (b->tail + size > b->size) {
		size_t wanted = b->size ? 2 * (size_t)b->size : BUF_MIN;
		if (wanted < used + size)
			wanted = used + size;
		char *data = realloc(b->data, wanted);
		if (!data)
			return NULL;
		b->data = data;
		b->size = (uint32_t)wanted;
	}
	return b->data + b->tail;
}

static bool buf_add(struct buf *b, const void *bytes, size_t size)
{
	char *room = buf_room(b, size);

	if (!room)
		return false;
	memcpy(room, bytes, size);
	b->tail += (uint32_t)size;
	return true;
}

/* The first `size` bytes are done with. An empty buffer is given back. */
static void buf_drop(struct buf *b, size_t size)
{
	b->head += (uint32_t)size;
	if (b->data && b->head == b->tail)
		buf_free(b);
}

/* ---- replies ---- */

static void reply_bytes(struct conn *c, const void *bytes, size_t size)
{
	if (!buf_add(&c->out, bytes, size))
		c->failed = true;
}

void conn_reply(struct conn *c, const char *text)
{
	reply_bytes(c, text, strlen(text));
}

/* ":7\r\n", or "$7\r\n" before a bulk string. */
static void reply_number(struct conn *c, char type, uint64_t number)
{
	char text[24], *at = text + sizeof(text);

	*--at = '\n';
	*--at = '\r';
	do {
		*--at = (char)('0' + number % 10);
	} while (number /= 10);
	*--at = type;
	reply_bytes(c, at, (size_t)(text + sizeof(text) - at));
}

static void reply_bulk(struct conn *c, struct slice s)
{
	reply_number(c, '$', s.size);
	reply_bytes(c, s.data, s.size);
	conn_reply(c, "\r\n");
}

/* "-ERR before'quoted'after"; what would break the line is shown as '?'. */
static void reply_error(struct conn *c, const char *before, struct slice quoted, const char *after)
{
	char shown[128];
	size_t size = quoted.size < sizeof(shown) ? quoted.size : sizeof(shown);

	for (size_t i = 0; i < size; i++)
		shown[i] = quoted.data[i] < ' ' || quoted.data[i] > '~' ? '?' : quoted.data[i];
	conn_reply(c, "-ERR ");
	conn_reply(c, before);
	reply_bytes(c, "'", 1);
	reply_bytes(c, shown, size);
	reply_bytes(c, "'", 1);
	conn_reply(c, after);
	conn_reply(c, "\r\n");
}

/* ---- commands: each answers, and returns CONN_READ or what the server must do for it ---- */

static enum verdict run_ping(struct conn *c, const struct request *r)
{
	if (r->count == 1)
		conn_reply(c, "+PONG\r\n");
	else
		reply_bulk(c, r->args[1]);
	return CONN_READ;
}

static enum verdict run_echo(struct conn *c, const struct request *r)
{
	reply_bulk(c, r->args[1]);
	return CONN_READ;
}

static enum verdict out_of_range(struct conn *c)
{
	conn_reply(c, "-ERR value is out of range\r\n");
	return CONN_READ;
}

static enum verdict run_blob(struct conn *c, const struct request *r)
{
	long size = resp_number(r->args[1], BLOB_MAX);

	if (size < 0)
		return out_of_range(c);
	reply_number(c, '$', (uint64_t)size);
	char *room = buf_room(&c->out, (size_t)size + 2);
	if (!room) {
		c->failed = true;
		return CONN_READ;
	}
	for (long i = 0; i < size; i++)
		room[i] = (char)('a' + i % 26);
	memcpy(room + size, "\r\n", 2);
	c->out.tail += (uint32_t)size + 2;
	return CONN_READ;
}

static enum verdict work(struct conn *c, enum verdict verdict, long cpu_us, long wait_us)
{
	if (cpu_us < 0 || wait_us < 0)
		return out_of_range(c);
	c->cpu_us = (uint32_t)cpu_us;
	c->wait_us = (uint32_t)wait_us;
	c->silent = verdict == CONN_SPIN;
	c->working = true;
	return verdict;
}

static enum verdict run_work(struct conn *c, const struct request *r)
{
	return work(c, CONN_WORK, resp_number(r->args[1], WORK_MAX_US), resp_number(r->args[2], WORK_MAX_US));
}

static enum verdict run_spin(struct conn *c, const struct request *r)
{
	return work(c, CONN_SPIN, resp_number(r->args[1], WORK_MAX_US), 0);
}

static enum verdict run_client(struct conn *c, const struct request *r)
{
	if (r->count == 2 && resp_is(r->args[1], "id")) {
		reply_number(c, ':', c->id);
		return CONN_READ;
	}
	if (r->count == 4 && resp_is(r->args[1], "kill") && resp_is(r->args[2], "id")) {
		long id = resp_number(r->args[3], LONG_MAX);
		c->victim = id > 0 ? (uint64_t)id : 0;
		return CONN_KILL;
	}
	reply_error(c, "unknown subcommand or wrong number of arguments for ", r->args[1],
		    ". Try CLIENT ID, or CLIENT KILL ID n.");
	return CONN_READ;
}

static enum verdict run_quit(struct conn *c, const struct request *r)
{
	(void)r;
	conn_reply(c, "+OK\r\n");
	c->closing = true;
	return CONN_READ;
}

static const struct command {
	const char *name;
	size_t min, max; /* arguments, the name included */
	enum verdict (*run)(struct conn *c, const struct request *r);
} commands[] = {
	{ "ping", 1, 2, run_ping },	   { "echo", 2, 2, run_echo }, { "blob", 2, 2, run_blob },
	{ "work", 3, 3, run_work },	   { "spin", 2, 2, run_spin }, { "client", 2, 4, run_client },
	{ "quit", 1, ARGS_MAX, run_quit },
};

static enum verdict run(struct conn *c, const struct request *r)
{
	for (size_t i = 0; r->count > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!resp_is(r->args[0], commands[i].name))
			continue;
		if (r->count >= commands[i].min && r->count <= commands[i].max)
			return commands[i].run(c, r);
		struct slice name = { commands[i].name, strlen(commands[i].name) };
		reply_error(c, "wrong number of arguments for ", name, " command");
		return CONN_READ;
	}
	if (r->count > 0)
		reply_error(c, "unknown command ", r->args[0], "");
	return CONN_READ;
}

static void protocol_error(struct conn *c, const struct request *r)
{
	c->closing = true;
	if (r->unexpected) {
		reply_error(c, "Protocol error: expected '$', got ", (struct slice){ &r->unexpected, 1 }, "");
		return;
	}
	conn_reply(c, "-ERR Protocol error: ");
	conn_reply(c, r->error);
	conn_reply(c, "\r\n");
}

/* ---- verdicts ---- */

/* Answers the requests in `bytes` as far as they are whole and may be answered; *used is how many bytes that took. */
static enum verdict answer(struct conn *c, const char *bytes, size_t size, size_t *used)
{
	*used = 0;
	while (!c->closing && !c->working && !c->failed && !c->lent && conn_unsent(c) <= UNSENT_MAX) {
		struct request r;
		long parsed = resp_parse(&r, bytes + *used, size - *used);
		if (parsed == 0)
			break;
		if (parsed < 0) {
			protocol_error(c, &r);
			break;
		}
		*used += (size_t)parsed;
		enum verdict verdict = run(c, &r);
		if (verdict != CONN_READ)
			return verdict;
	}
	if (c->closing)
		*used = size;
	if (c->failed)
		return CONN_CLOSE;
	if (c->lent)
		return CONN_WAIT;
	if (conn_unsent(c) > 0)
		return CONN_WRITE;
	if (c->working)
		return CONN_WAIT;
	return c->closing || c->ended ? CONN_CLOSE : CONN_READ;
}

enum verdict conn_feed(struct conn *c, const void *bytes, size_t size)
{
	size_t used;

	if (size == 0) {
		c->ended = true;
		return conn_next(c);
	}
	if (!c->in.data) {
		/* The usual case: whole requests, answered where they lie. Only what is left over is copied. */
		enum verdict verdict = answer(c, bytes, size, &used);
		if (used == size || buf_add(&c->in, (const char *)bytes + used, size - used))
			return verdict;
		c->failed = true;
		return CONN_CLOSE;
	}
	if (!buf_add(&c->in, bytes, size))
		c->failed = true;
	return conn_next(c);
}

enum verdict conn_next(struct conn *c)
{
	size_t used;
	const char *bytes = c->in.data ? c->in.data + c->in.head : "";
	enum verdict verdict = answer(c, bytes, buf_size(&c->in), &used);

	buf_drop(&c->in, used);
	return verdict;
}

bool conn_wants_read(const struct conn *c)
{
	return !c->ended && !c->closing && !c->failed && conn_unsent(c) <= UNSENT_MAX && buf_size(&c->in) < REQUEST_MAX;
}

size_t conn_unsent(const struct conn *c)
{
	return buf_size(&c->out);
}

const char *conn_out(const struct conn *c)
{
	return c->out.data + c->out.head;
}

void conn_lend(struct conn *c)
{
	c->lent = true;
}

void conn_sent(struct conn *c, size_t size)
{
	c->lent = false;
	buf_drop(&c->out, size);
}

void conn_worked(struct conn *c)
{
	c->working = false;
	if (!c->silent)
		conn_reply(c, "+DONE\r\n");
}

/* ---- all connections ---- */

struct conn *conn_new(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->id = ++last_id;
	c->next = all;
	if (all)
		all->prev = c;
	all = c;
	return c;
}

void conn_free(struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		all = c->next;
	if (c->next)
		c->next->prev = c->prev;
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

void conn_retire(struct conn *c)
{
	c->fd = -1;
	c->retired = to_reap;
	to_reap = c;
}

void conn_reap(void)
{
	struct conn **at = &to_reap;

	while (*at) {
		struct conn *c = *at;
		if (c->held > 0) {
			at = &c->retired;
			continue;
		}
		*at = c->retired;
		conn_free(c);
	}
}

static struct conn *open_from(struct conn *c)
{
	while (c && c->fd < 0)
		c = c->next;
	return c;
}

struct conn *conn_first(void)
{
	return open_from(all);
}

struct conn *conn_after(struct conn *c)
{
	return open_from(c->next);
}

struct conn *conn_victim(struct conn *c)
{
	struct conn *victim = conn_first();

	while (victim && victim->id != c->victim)
		victim = conn_after(victim);
	if (victim == c)
		victim = NULL;
	reply_number(c, ':', victim != NULL);
	return victim;
}

/* ---- lists of the server's own ---- */

void list_add(struct list *list, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->held++;
	c->link = NULL;
	if (list->first)
		list->last->link = c;
	else
		list->first = c;
	list->last = c;
}

struct conn *list_take(struct list *list)
{
	struct conn *c = list->first;

	if (c) {
		c->queued = false;
		c->held--;
		list->first = c->link;
	}
	return c;
}
