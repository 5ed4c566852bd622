/*
 * trace: the strace of one held batch, annotated: which phase of the server
 * each call belongs to, and which client it is for.
 *
 * Descriptors are told apart by the calls that made them, earlier in the same
 * log. Clients connect one at a time, so that the descriptor accepted last is
 * the latest client's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "tool.h"

enum {
	FDS_MAX = 4096,	   /* descriptors above are not told apart */
	TOKENS_MAX = 4096, /* epoll registrations remembered; later ones are not */
	BATCH_MAX = 25,	   /* clients are letters, and H is the holder */
	CALL_WIDTH = 88,   /* characters of a call that are shown */
	TRIES = 6,	   /* rounds, each with twice the hold of the last */
	HOLD_US = 20000,
};

/* ---- phases ---- */

enum phase { WAIT, ENTER, ACCEPT, READ, DRAINED, WRITE, REGISTER, WAKE, CLOSE, LOCK, OTHER, PHASES };

static const struct {
	const char *label, *one, *many;
} phases[PHASES] = {
	[WAIT] = { "wait", "wait", "waits" },
	[ENTER] = { "enter ring", "entry to the ring", "entries to the ring" },
	[ACCEPT] = { "accept", "accept", "accepts" },
	[READ] = { "read request", "read", "reads" },
	[DRAINED] = { "find drained", "read that found nothing", "reads that found nothing" },
	[WRITE] = { "write reply", "write", "writes" },
	[REGISTER] = { "register", "registration", "registrations" },
	[WAKE] = { "wake-up", "wake-up", "wake-ups" },
	[CLOSE] = { "close", "close", "closes" },
	[LOCK] = { "lock", "lock", "locks" },
	[OTHER] = { "other", "other call", "other calls" },
};

static const struct {
	const char *name;
	enum phase phase;
} phase_of_call[] = {
	{ "epoll_wait", WAIT },
	{ "poll", WAIT },
	{ "select", WAIT },
	{ "nanosleep", WAIT },
	{ "io_uring_enter", ENTER },
	{ "accept4", ACCEPT },
	{ "read", READ },
	{ "readv", READ },
	{ "recv", READ },
	{ "recvmsg", READ },
	{ "write", WRITE },
	{ "writev", WRITE },
	{ "send", WRITE },
	{ "sendmsg", WRITE },
	{ "epoll_ctl", REGISTER },
	{ "io_uring_register", REGISTER },
	{ "fcntl", REGISTER },
	{ "setsockopt", REGISTER },
	{ "close", CLOSE },
	{ "shutdown", CLOSE },
	{ "futex", LOCK },
};

/* ---- what the log has taught: descriptors, registrations ---- */

enum role { UNKNOWN, EPOLL, LISTENER, CONNECTION, EVENT, RING };

static struct {
	enum role role;
	char client; /* 'A'…, 'H' for the holder, 0 for none */
} fds[FDS_MAX];

static struct {
	unsigned long long data; /* epoll's user data */
	long fd;
} tokens[TOKENS_MAX];
static size_t token_count;
static long last_accepted = -1;

static bool is_fd(long fd)
{
	return fd >= 0 && fd < FDS_MAX;
}

static void learn_registration(const char *args)
{
	const char *data = strstr(args, "u64=");
	long fd = -1;

	if (!data || sscanf(args, "%*d, %*[A-Z_], %ld", &fd) != 1 || token_count == TOKENS_MAX)
		return;
	tokens[token_count].data = strtoull(data + 4, NULL, 0);
	tokens[token_count++].fd = fd;
}

static void learn(const struct crossing *c)
{
	static const struct {
		const char *name;
		enum role role;
	} makers[] = {
		{ "epoll_create1", EPOLL },
		{ "eventfd2", EVENT },
		{ "io_uring_setup", RING },
		{ "accept4", CONNECTION },
	};

	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		if (strcmp(c->name, makers[i].name) != 0 || !is_fd(c->result))
			continue;
		fds[c->result].role = makers[i].role;
		fds[c->result].client = 0;
		if (makers[i].role == CONNECTION)
			last_accepted = c->result;
	}
	if (strcmp(c->name, "listen") == 0 && is_fd(atol(c->args)))
		fds[atol(c->args)].role = LISTENER;
	if (strcmp(c->name, "epoll_ctl") == 0 && c->result == 0)
		learn_registration(c->args);
}

/* Learns from whatever has returned since the last time. */
static void learn_more(struct server *s)
{
	static uint64_t from;
	uint64_t to = server_quiet(s);
	size_t count;
	const struct crossing *calls = server_crossings(s, from, to, &count);

	for (size_t i = 0; i < count; i++)
		learn(&calls[i]);
	from = to;
}

/* ---- one line of the trace ---- */

struct line {
	const struct crossing *call;
	enum phase phase;
	long fd;		     /* the descriptor that it is about, −1 for none */
	char clients[BATCH_MAX + 2]; /* letters */
	bool hold;		     /* one of the hold's own */
};

static void add_client(struct line *l, long fd)
{
	size_t used = strlen(l->clients);

	if (is_fd(fd) && fds[fd].client && used + 1 < sizeof(l->clients) && !strchr(l->clients, fds[fd].client)) {
		l->clients[used] = fds[fd].client;
		l->clients[used + 1] = '\0';
	}
}

/* epoll_wait(4, [{events=EPOLLIN, data={u32=1, u64=1}}], 64, -1): the latest registration of that data. */
static void add_epoll_clients(struct line *l)
{
	for (const char *p = l->call->args; (p = strstr(p, "u64=")); p++) {
		unsigned long long data = strtoull(p + 4, NULL, 0);

		for (size_t i = token_count; i-- > 0;) {
			if (tokens[i].data == data) {
				add_client(l, tokens[i].fd);
				break;
			}
		}
	}
}

static const char *result_text(const char *raw)
{
	const char *found = raw;

	for (const char *p = strstr(raw, " = "); p; p = strstr(p + 1, " = "))
		found = p + 3;
	return found;
}

/* "= 2 ([{fd=6, revents=POLLIN}, …])" of poll, "= 2 (in [6 7])" of select: every number in brackets, after fd= if any. */
static void add_ready_clients(struct line *l)
{
	const char *p = strchr(result_text(l->call->raw), '[');
	bool named = p && strstr(p, "fd=");

	while (p && *p) {
		char *end;

		if (named && (p = strstr(p, "fd=")))
			p += 3;
		if (!p)
			break;
		if (!isdigit((unsigned char)*p)) {
			p++;
			continue;
		}
		add_client(l, strtol(p, &end, 10));
		p = end;
	}
}

static enum phase phase_of(const struct crossing *c, long fd)
{
	enum phase phase = OTHER;

	for (size_t i = 0; i < sizeof(phase_of_call) / sizeof(phase_of_call[0]); i++) {
		if (strcmp(c->name, phase_of_call[i].name) == 0)
			phase = phase_of_call[i].phase;
	}
	if ((phase == READ || phase == WRITE) && is_fd(fd) && fds[fd].role == EVENT)
		return WAKE;
	if (phase == READ && c->error && strcmp(c->error, "EAGAIN") == 0)
		return DRAINED;
	return phase;
}

static struct line line_from(const struct crossing *c)
{
	struct line l = { .call = c, .fd = -1 };
	char *end;
	long first = strtol(c->args, &end, 10);

	if (end != c->args && (*end == ',' || *end == '\0'))
		l.fd = first;
	if (strcmp(c->name, "epoll_ctl") == 0)
		sscanf(c->args, "%*d, %*[A-Z_], %ld", &l.fd);
	l.phase = phase_of(c, l.fd);
	if (strcmp(c->name, "poll") == 0 || strcmp(c->name, "select") == 0) {
		l.fd = -1;
		add_ready_clients(&l);
	} else if (strcmp(c->name, "epoll_wait") == 0) {
		add_epoll_clients(&l);
	} else {
		add_client(&l, l.fd);
	}
	return l;
}

/*
 * The hold's own calls: all until its command is delivered; the sleep that
 * follows, where it is one; and whatever is about the holder alone.
 */
static void mark_hold(struct line *lines, size_t count, const struct hold *hold)
{
	size_t own = 0;

	if (!hold)
		return;
	while (own < count && !hold_delivered_by(hold, lines[own].call))
		own++;
	own += hold->sleeps ? 2 : 1;
	for (size_t i = 0; i < count; i++) {
		if (i < own)
			strcpy(lines[i].clients, "H");
		lines[i].hold = strcmp(lines[i].clients, "H") == 0;
	}
}

/* ---- the round ---- */

static struct {
	size_t batch, reply_size;
	char *title, *tsv, *hold_command, *request;
	bool hold_sleeps, hold_answers;
} opt = { .batch = 4, .reply_size = 7, .request = "PING\r\n" };

static struct client *open_client(struct server *s, char letter)
{
	char name[2] = { letter, '\0' };
	char *reply = malloc(opt.reply_size);
	struct client *c = client_open(s, name);

	client_send(c, "%s", opt.request);
	client_read_some(c, reply, opt.reply_size);
	free(reply);
	learn_more(s);
	if (is_fd(last_accepted))
		fds[last_accepted].client = letter;
	return c;
}

static struct round run_round(struct server *s, const struct hold *hold)
{
	struct client *clients[BATCH_MAX], *holder = hold ? open_client(s, 'H') : NULL;
	uint32_t hold_us = HOLD_US;

	for (size_t i = 0; i < opt.batch; i++)
		clients[i] = open_client(s, (char)('A' + i + (i >= 'H' - 'A')));
	bool polled = server_is_polled(s); /* then the hold must be short: its thread is not to fall asleep meanwhile */

	for (int tries = 0; tries < (polled ? 5 * TRIES : TRIES); tries++, hold_us *= polled && tries > 0 ? 1 : 2) {
		struct round r =
			server_round(s, holder, hold, hold_us, clients, opt.batch, opt.request, opt.reply_size);

		if (!r.exact)
			continue;
		/* One more request ends the wait that the batch has left the server in: see last_entry(). */
		server_round(s, NULL, NULL, 0, clients, 1, opt.request, opt.reply_size);
		return r;
	}
	probe_fail(
		"no exact batch: calls went on while the server was held; the machine is too busy, or the server serves "
		"others meanwhile (then try --hold none)");
}

/* The wait that a ring's server enters last, and submits with: it returns only with the next request. */
static const struct crossing *last_entry(const struct crossing *calls, size_t all, const struct round *r)
{
	for (size_t i = 0; i < all; i++) {
		if (strcmp(calls[i].name, "io_uring_enter") == 0 && calls[i].start < r->end && calls[i].end >= r->end)
			return &calls[i];
	}
	return NULL;
}

/* ---- printing ---- */

/*
 * The middle of a long call is left out: its name and its result are what
 * matters. What strace adds to a result, in parentheses, goes first.
 */
static void print_call(const char *raw)
{
	const char *result = result_text(raw);
	size_t size = strlen(raw), tail = strlen(result), number = strcspn(result, " ");

	if (size <= CALL_WIDTH)
		printf("%s\n", raw);
	else if (tail < CALL_WIDTH / 2)
		printf("%.*s…) = %s\n", (int)(CALL_WIDTH - tail - 5), raw, result);
	else
		printf("%.*s…) = %.*s …\n", (int)(CALL_WIDTH - number - 7), raw, (int)number, result);
}

static size_t count_threads(const struct line *lines, size_t count)
{
	size_t threads = 0;

	for (size_t i = 0; i < count; i++) {
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= lines[j].call->tid == lines[i].call->tid;
		threads += !seen;
	}
	return threads;
}

static void print_lines(const struct line *lines, size_t count)
{
	bool threads = count_threads(lines, count) > 1;
	int width = (int)(opt.batch > 6 ? opt.batch + 2 : 8);
	size_t order = 0;

	for (size_t i = 0; i < count; i++) {
		if (lines[i].hold)
			printf("       ");
		else
			printf("  %3zu  ", ++order);
		if (threads)
			printf("%-7d", lines[i].call->tid);
		printf("%-14s%-*s", lines[i].hold ? "(hold)" : phases[lines[i].phase].label, width,
		       lines[i].hold ? "" : lines[i].clients);
		print_call(lines[i].call->raw);
	}
}

/* "4 requests took 9 crossings: 1 wait, 4 reads, 4 writes; the hold's own 2 are left out." */
static void print_sentence(const struct line *lines, size_t count, const struct crossing *last)
{
	size_t of_phase[PHASES] = { 0 }, own = 0, used = 0;
	long operations = last && last->result > 0 ? last->result : 0;

	for (size_t i = 0; i < count; i++) {
		own += lines[i].hold;
		of_phase[lines[i].phase] += !lines[i].hold;
		if (!lines[i].hold && lines[i].phase == ENTER && lines[i].call->result > 0)
			operations += lines[i].call->result;
	}
	printf("%zu request%s took %zu crossing%s", opt.batch, opt.batch == 1 ? "" : "s", count - own,
	       count - own == 1 ? "" : "s");
	for (int p = 0; p < PHASES; p++) {
		if (of_phase[p] == 0)
			continue;
		printf("%s%zu %s", used++ ? ", " : ": ", of_phase[p],
		       of_phase[p] == 1 ? phases[p].one : phases[p].many);
	}
	if (operations > 0)
		printf("; %ld operation%s submitted", operations, operations == 1 ? " was" : "s were");
	if (own > 0)
		printf("; the hold's own %zu %s left out", own, own == 1 ? "is" : "are");
	printf(".\n");
}

static void print_trace(const struct line *lines, size_t count, const struct crossing *last)
{
	if (opt.title)
		printf("%s\n\n", opt.title);
	print_lines(lines, count);
	if (last) {
		printf("       %-14s%-8s", "(next)", "");
		print_call(last->raw);
	}
	putchar('\n');
	print_sentence(lines, count, last);
	if (last && last->result > 0)
		printf("The last entry submits what this batch asked for; it returns with the next request, and counts there.\n");
	else if (last)
		printf("The last entry submits nothing: when no more came, the server went to sleep. It returns with the next request.\n");
}

static void write_row(FILE *f, size_t order, const struct line *l, const char *phase)
{
	fprintf(f, "%zu\t%d\t%s\t%ld\t%s\t%s\t%s\t%s\n", order, l->call->tid, l->call->name, l->fd, l->call->args,
		result_text(l->call->raw), phase, l->clients[0] ? l->clients : "-");
}

/* The entry that a ring's server was left in stands last, as phase "next": it is not of this batch. */
static void write_tsv(const struct line *lines, size_t count, const struct crossing *last)
{
	static const char *const versions[] = { "strace --version", NULL };
	FILE *f = results_open(opt.tsv, false, versions, "order\ttid\tname\tfd\targs\tresult\tphase\tclient");

	for (size_t i = 0; i < count; i++)
		write_row(f, i + 1, &lines[i], lines[i].hold ? "hold" : phases[lines[i].phase].label);
	if (last) {
		struct line next = line_from(last);

		write_row(f, count + 1, &next, "next");
	}
	if (fclose(f) != 0)
		probe_fail("%s could not be written whole", opt.tsv);
}

static const struct tool_option table[] = {
	{ "batch", OPTION_NUMBER, &opt.batch, 1, "K", "requests in the batch (4), 25 at the most" },
	{ "title", OPTION_TEXT, &opt.title, 0, "TEXT", "a line above" },
	{ "request", OPTION_BYTES, &opt.request, 0, "TEXT", "what one connection sends (PING\\r\\n)" },
	{ "reply-size", OPTION_NUMBER, &opt.reply_size, 1, "N", "bytes of its reply (7)" },
	{ "hold", OPTION_BYTES, &opt.hold_command, 0, "COMMAND|none", "as for syscount (SPIN %u\\r\\n)" },
	{ "hold-sleeps", OPTION_FLAG, &opt.hold_sleeps, 0, NULL, "that command waits, and burns no CPU" },
	{ "hold-answers", OPTION_FLAG, &opt.hold_answers, 0, NULL, "that command has a reply, of one line" },
	{ "tsv", OPTION_TEXT, &opt.tsv, 0, "FILE", "writes the lines there too, as a table" },
	{ NULL, OPTION_FLAG, NULL, 0, NULL, NULL },
};

int main(int argc, char **argv)
{
	struct server_options options = { .strace = "" };
	const struct crossing *calls;
	const struct hold *hold;
	struct line *lines;
	struct server *s;
	struct round r;
	size_t all, count;

	options.argv =
		tool_options(argc, argv, "Prints the system calls of one batch of requests, annotated.\n", table);
	if (opt.batch > BATCH_MAX)
		tool_usage("--batch is too large", "25 at the most");
	hold = hold_from(opt.hold_command, opt.hold_sleeps, opt.hold_answers);
	probe_handle_signals();
	s = server_start(&options);
	r = run_round(s, hold);
	calls = server_crossings(s, r.start, UINT64_MAX, &all);
	lines = calloc(all + 1, sizeof(*lines));
	for (count = 0; count < all && calls[count].end < r.end; count++)
		lines[count] = line_from(&calls[count]);
	mark_hold(lines, count, hold);
	print_trace(lines, count, last_entry(calls, all, &r));
	if (opt.tsv)
		write_tsv(lines, count, last_entry(calls, all, &r));
	return TOOL_DONE;
}
