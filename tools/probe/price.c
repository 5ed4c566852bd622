/*
 * price.c: what a request costs, in crossings: rounds of hold and batch, less
 * rounds of the hold alone.
 *
 * Rounds must agree, several in a row, to be believed: whatever else would
 * make a count wrong (a segment that the kernel delivers late, a busy-polling
 * server that is given no CPU) does not do so five times running in the same
 * way. Where more than a few differ there is no count: one could be had by
 * luck.
 *
 * Rounds of one kind follow each other because of rings. An io_uring_enter that
 * submits and waits returns in the next round, and says only then how many
 * operations it submitted: so what a round submits is counted in its successor,
 * which is the same where both are of one kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

enum {
	HOLD_MIN_US = 20000,
	HOLD_MAX_US = 320000, /* a machine on which 64 sends take longer is too busy to count on */
	INEXACT_MAX = 5,      /* rounds that may be inexact though held for the longest; then the count is given up */
	SPARE = 3,	      /* exact rounds that may differ from the rest; at one more the count is given up */
	/* The same of a polled server: it is held for less than its kernel thread stays awake, however slow the machine. */
	HOLD_SQPOLL_US = 40000,
	INEXACT_SQPOLL = 40,
	NAMES_MAX = 64, /* different calls in a round; more are a failure */
};

const char PRICE_OPERATIONS[] = "operations";

struct row {
	const char *name; /* the log's */
	long calls;
};

/* What one round made the server do. */
struct tally {
	struct row rows[NAMES_MAX];
	size_t count;
	long total;
	long operations; /* submitted by io_uring_enter */
};

static struct row *row_of(struct tally *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	}
	if (t->count == NAMES_MAX)
		probe_fail("a round made more than %d different system calls", NAMES_MAX);
	t->rows[t->count] = (struct row){ .name = name };
	return &t->rows[t->count++];
}

static long calls_of(const struct tally *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->rows[i].name, name) == 0)
			return t->rows[i].calls;
	}
	return 0;
}

static void tally_round(struct server *s, const struct round *r, struct tally *t)
{
	size_t count;
	const struct crossing *calls = server_crossings(s, r->start, r->end, &count);

	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < count; i++) {
		row_of(t, calls[i].name)->calls++;
		if (strcmp(calls[i].name, "io_uring_enter") == 0 && calls[i].result > 0)
			t->operations += calls[i].result;
	}
	t->total = (long)count;
}

static bool agree(const struct tally *a, const struct tally *b, double tolerance)
{
	if (tolerance > 0)
		return (double)labs(a->total - b->total) <= tolerance;
	if (a->count != b->count || a->operations != b->operations)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (a->rows[i].calls != calls_of(b, a->rows[i].name))
			return false;
	}
	return true;
}

struct counter {
	struct server *server;
	const struct count_options *options;
	struct client *holder, **clients;
	size_t idle_and_active;
	uint32_t hold_us, hold_max_us;
	size_t inexact, inexact_max; /* rounds, though held for the longest */
	char totals[256];	     /* of all batches that were exact, for the sentence that says they disagree */
};

/* One round of k requests. False where it was not exact: the next is held for longer. */
static bool count_round(struct counter *c, size_t k, struct tally *t)
{
	const struct count_options *o = c->options;
	struct round r =
		server_round(c->server, c->holder, o->hold, c->hold_us, c->clients, k, o->request, o->reply_size);

	if (!server_alive(c->server))
		probe_fail("while it was counted, %s", server_state(c->server));
	if (r.exact) {
		tally_round(c->server, &r, t);
		return true;
	}
	c->inexact += c->hold_us == c->hold_max_us;
	c->hold_us = c->hold_us < c->hold_max_us ? 2 * c->hold_us : c->hold_max_us;
	return false;
}

/* The rounds so far that agree with this one too; a round that does not begins a new run. */
static size_t extend_run(struct counter *c, struct tally *run, size_t length, const struct tally *t)
{
	size_t used = strlen(c->totals);

	snprintf(c->totals + used, sizeof(c->totals) - used, "%s%ld", used ? ", " : "", t->total);
	for (size_t i = 0; i < length; i++) {
		if (!agree(&run[i], t, c->options->tolerance)) {
			length = 0;
			break;
		}
	}
	run[length] = *t;
	return length + 1;
}

static const char *say_why(const struct counter *c, size_t k)
{
	static char why[512];
	const struct count_options *o = c->options;

	if (c->inexact == c->inexact_max)
		snprintf(
			why, sizeof(why),
			"no exact count at k = %zu: calls went on while the server was held for %u ms; the machine is too "
			"busy, or the server serves others meanwhile (then count it unheld)",
			o->k, c->hold_max_us / 1000);
	else
		snprintf(why, sizeof(why),
			 "no exact count at k = %zu: no %zu rounds in a row agree, rounds of %s made %s calls", o->k,
			 o->rounds, k ? "the batch" : "the hold alone", c->totals);
	return why;
}

/* Fills `run` with as many rounds of k requests as must agree; else false, and why. */
static bool count_rounds(struct counter *c, size_t k, struct tally *run, const char **why)
{
	const struct count_options *o = c->options;
	size_t length = 0, exact = 0;

	c->totals[0] = '\0';
	while (exact < o->rounds + SPARE && c->inexact < c->inexact_max) {
		struct tally t;

		if (!count_round(c, k, &t))
			continue;
		exact++;
		length = extend_run(c, run, length, &t);
		if (length == o->rounds)
			return true;
	}
	*why = say_why(c, k);
	return false;
}

/* ---- the difference ---- */

static int by_value(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}

/* The median round's calls of that name, or its operations (NULL): all rounds are equal unless there is a tolerance. */
static long median(const struct tally *run, size_t rounds, const char *name)
{
	long values[rounds];

	for (size_t i = 0; i < rounds; i++)
		values[i] = name ? calls_of(&run[i], name) : run[i].operations;
	qsort(values, rounds, sizeof(values[0]), by_value);
	return values[rounds / 2];
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct price *)a)->name, ((const struct price *)b)->name);
}

static void add_price(struct price *prices, int *count, size_t max, const char *name, double per_request)
{
	if ((size_t)*count == max)
		probe_fail("more than %zu different system calls", max);
	snprintf(prices[*count].name, sizeof(prices[0].name), "%s", name);
	prices[(*count)++].per_request = per_request;
}

static void add_names(struct tally *names, const struct tally *run, size_t rounds)
{
	for (size_t i = 0; i < rounds; i++) {
		for (size_t j = 0; j < run[i].count; j++)
			row_of(names, run[i].rows[j].name);
	}
}

/* A ring's entry stays in the list when it costs nothing: that is what there is to see. */
static int fill_prices(const struct count_options *o, const struct tally *held, const struct tally *alone,
		       struct price *prices, size_t max)
{
	struct tally names = { .count = 0 };
	long operations = median(held, o->rounds, NULL);
	int count = 0;

	add_names(&names, held, o->rounds);
	add_names(&names, alone, o->rounds);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.rows[i].name;
		long more = median(held, o->rounds, name) - median(alone, o->rounds, name);

		if (more != 0 || strcmp(name, "io_uring_enter") == 0)
			add_price(prices, &count, max, name, (double)more / (double)o->k);
	}
	qsort(prices, (size_t)count, sizeof(prices[0]), by_name);
	/* Under SQPOLL the kernel's thread takes submissions up unseen: then there is no figure. */
	if (operations > 0)
		add_price(prices, &count, max, PRICE_OPERATIONS,
			  (double)(operations - median(alone, o->rounds, NULL)) / (double)o->k);
	return count;
}

double price_total(const struct price *prices, int count)
{
	double total = 0;

	for (int i = 0; i < count; i++) {
		if (strcmp(prices[i].name, PRICE_OPERATIONS) != 0)
			total += prices[i].per_request;
	}
	return total;
}

/* ---- who takes part ---- */

/* One request each, answered: accepting, registering and starting threads is over. */
static void warm_up(struct counter *c, struct client *client)
{
	char *reply = malloc(c->options->reply_size);

	client_send_bytes(client, c->options->request, strlen(c->options->request));
	client_receive(client, reply, c->options->reply_size);
	free(reply);
}

static void open_all(struct counter *c)
{
	const struct count_options *o = c->options;

	c->idle_and_active = o->k + o->idle;
	c->clients = calloc(c->idle_and_active + 1, sizeof(struct client *));
	for (size_t i = 0; i < c->idle_and_active; i++) {
		c->clients[i] = client_open_with(c->server, &(struct client_options){ .unix_path = o->unix_path });
		warm_up(c, c->clients[i]);
	}
	if (o->hold) {
		c->holder = client_open(c->server, "the holder");
		warm_up(c, c->holder);
	}
}

static void close_all(struct counter *c)
{
	for (size_t i = 0; i < c->idle_and_active; i++)
		client_close(c->clients[i]);
	free(c->clients);
	if (c->holder)
		client_close(c->holder);
	server_quiet(c->server);
}

static int count_price(struct server *s, const struct count_options *o, struct price *prices, size_t max,
		       const char **why)
{
	struct counter c = { .server = s, .options = o, .hold_us = HOLD_MIN_US };
	struct tally *alone = calloc(o->rounds, sizeof(*alone)), *held = calloc(o->rounds, sizeof(*held));
	int count = -1;

	c.hold_max_us = server_is_polled(s) ? HOLD_SQPOLL_US : HOLD_MAX_US;
	c.inexact_max = server_is_polled(s) ? INEXACT_SQPOLL : INEXACT_MAX;
	open_all(&c);
	if ((!o->hold || count_rounds(&c, 0, alone, why)) && count_rounds(&c, o->k, held, why))
		count = fill_prices(o, held, alone, prices, max);
	close_all(&c);
	free(alone);
	free(held);
	if (count < 0 || price_total(prices, count) >= 0)
		return count;
	*why = text("no exact count at k = %zu: the hold alone took more calls than the hold and the batch", o->k);
	return -1;
}

int server_price(struct server *s, const struct count_options *options, struct price *prices, size_t max,
		 const char **why)
{
	struct count_options unheld = *options;
	struct price others[NAMES_MAX];
	int count = count_price(s, options, prices, max, why), other;

	if (count < 0 || !options->hold || !options->hold->answers || options->k != 1)
		return count;
	/* The hold's reply is finished in the batch's wake-up, which hides a crossing: the larger count is the true one. */
	unheld.hold = NULL;
	other = count_price(s, &unheld, others, max < NAMES_MAX ? max : NAMES_MAX, why);
	if (other < 0 || price_total(others, other) <= price_total(prices, count))
		return other < 0 ? -1 : count;
	memcpy(prices, others, (size_t)other * sizeof(others[0]));
	return other;
}
