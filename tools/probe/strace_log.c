/*
 * strace_log.c: reads what strace has written so far.
 *
 * strace writes the first half of a line when a call is entered, before it lets
 * the kernel begin with it, and the second half when it has returned. Where
 * another thread's line comes between, the halves are two lines, "unfinished"
 * and "resumed". So the end of the file always says which calls are under way.
 *
 * The length that strace gives starts a little after the time of entry that it
 * gives (it prints the arguments in between), so start + length may lie before
 * the true return. log_mark() mends it where it matters: at a quiet moment.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe_internal.h"

struct half { /* a call that was entered and has not returned */
	struct half *next;
	pid_t tid;
	uint64_t start;
	char *begun;
};

struct strace_log {
	int fd;
	char *rest; /* a last line that has no end yet */
	size_t rest_size;
	uint64_t mark;
	struct half *halves;
	struct crossing *calls, *selected;
	size_t count, size;
};

struct strace_log *log_open(const char *path)
{
	struct strace_log *log = calloc(1, sizeof(*log));

	log->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (log->fd < 0)
		probe_fail("strace wrote no log %s", path);
	if (!getenv("PROBE_STRACE_LOG"))
		unlink(path); /* it lives as long as strace and we have it open: killed, we leave nothing large behind */
	log_read(log);
	return log;
}

size_t log_bytes(const struct strace_log *log)
{
	struct stat st;

	return fstat(log->fd, &st) == 0 ? (size_t)st.st_size : 0;
}

/* One name for each call, whatever entry point the C library or the machine uses for it. */
static const char *folded(const char *name)
{
	static const char *const aliases[][2] = {
		{ "pselect6", "select" },
		{ "_newselect", "select" },
		{ "ppoll", "poll" },
		{ "epoll_pwait", "epoll_wait" },
		{ "epoll_pwait2", "epoll_wait" },
		{ "recvfrom", "recv" },
		{ "sendto", "send" },
		{ "accept", "accept4" },
		{ "clock_nanosleep", "nanosleep" },
		{ "epoll_create", "epoll_create1" },
		{ "eventfd", "eventfd2" },
		{ "pipe", "pipe2" },
		{ "dup2", "dup3" },
		{ "open", "openat" },
	};

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(name, aliases[i][0]) == 0)
			return aliases[i][1];
	}
	return name;
}

static char *last_occurrence(char *in, const char *what)
{
	char *found = NULL;

	for (char *p = strstr(in, what); p; p = strstr(p + 1, what))
		found = p;
	return found;
}

/* Cuts " <0.000085076>" off the line; returns it in ns. */
static uint64_t take_length(char *line)
{
	char *open = strrchr(line, '<');

	if (!open || open == line || open[-1] != ' ' || !isdigit((unsigned char)open[1]))
		return 0;
	open[-1] = '\0';
	return (uint64_t)(strtod(open + 1, NULL) * 1e9 + 0.5);
}

/* "= 7", "= -1 EAGAIN (…)", "= ? ERESTARTSYS (…)" */
static void parse_result(struct crossing *c, char *result)
{
	char *after;

	c->result = *result == '?' ? -1 : strtol(result, &after, 0);
	if (*result == '?')
		after = result + 1;
	if (c->result == -1 && after[0] == ' ' && after[1] == 'E')
		c->error = strndup(after + 1, strcspn(after + 1, " "));
}

static struct crossing *new_call(struct strace_log *log)
{
	if (log->count == log->size) {
		log->size = log->size ? 2 * log->size : 1024;
		log->calls = realloc(log->calls, log->size * sizeof(*log->calls));
	}
	return &log->calls[log->count++];
}

/* A whole call: "name(args) = result <length>". `seen`: a time at which it had returned, or 0. */
static void add_call(struct strace_log *log, pid_t tid, uint64_t start, uint64_t seen, char *line)
{
	uint64_t length = take_length(line);
	char *open = strchr(line, '('), *equals = last_occurrence(line, " = "), *close;
	struct crossing *c;

	if (!open || !equals || open > equals)
		return;
	c = new_call(log);
	*c = (struct crossing){ .tid = tid, .start = start, .end = start + length, .raw = strdup(line) };
	if (c->end < seen)
		c->end = seen;
	if (c->end < log->mark)
		c->end = log->mark;
	parse_result(c, equals + 3);
	*equals = '\0';
	close = strrchr(open, ')');
	if (close)
		*close = '\0';
	c->args = strdup(open + 1);
	*open = '\0';
	c->name = folded(strdup(line));
}

static struct half **find_half(struct strace_log *log, pid_t tid)
{
	struct half **h = &log->halves;

	while (*h && (*h)->tid != tid)
		h = &(*h)->next;
	return h;
}

static void drop_half(struct half **at)
{
	struct half *h = *at;

	if (!h)
		return;
	*at = h->next;
	free(h->begun);
	free(h);
}

static void add_half(struct strace_log *log, pid_t tid, uint64_t start, const char *begun)
{
	struct half *h = malloc(sizeof(*h));

	drop_half(find_half(log, tid));
	*h = (struct half){ .next = log->halves, .tid = tid, .start = start, .begun = strdup(begun) };
	log->halves = h;
}

static void join_half(struct strace_log *log, pid_t tid, uint64_t returned, const char *rest)
{
	struct half **at = find_half(log, tid);
	char *line;

	if (!*at || asprintf(&line, "%s%s", (*at)->begun, rest) < 0)
		return;
	add_call(log, tid, (*at)->start, returned, line);
	drop_half(at);
	free(line);
}

/* "TID SECONDS.NANOSECONDS WHAT" */
static void parse_line(struct strace_log *log, char *line)
{
	static const char unfinished[] = " <unfinished ...>";
	char *p, *resumed;
	pid_t tid = (pid_t)strtol(line, &p, 10);
	uint64_t time = strtoull(p, &p, 10) * 1000000000u;
	size_t size;

	if (tid <= 0 || *p != '.')
		return;
	time += strtoull(p + 1, &p, 10);
	p += strspn(p, " ");
	size = strlen(p);
	resumed = strstr(p, " resumed>");
	if (strncmp(p, "+++", 3) == 0)
		drop_half(find_half(log, tid));
	else if (strncmp(p, "<... ", 5) == 0 && resumed)
		join_half(log, tid, time, resumed + strlen(" resumed>"));
	else if (size >= strlen(unfinished) && strcmp(p + size - strlen(unfinished), unfinished) == 0) {
		p[size - strlen(unfinished)] = '\0';
		add_half(log, tid, time, p);
	} else if (strncmp(p, "---", 3) != 0) {
		add_call(log, tid, time, 0, p);
	}
}

void log_read(struct strace_log *log)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(log->fd, bytes, sizeof(bytes))) > 0) {
		char *start = bytes, *end;

		log->rest = realloc(log->rest, log->rest_size + (size_t)n + 1);
		memcpy(log->rest + log->rest_size, bytes, (size_t)n);
		log->rest_size += (size_t)n;
		for (start = log->rest; (end = memchr(start, '\n', log->rest_size - (size_t)(start - log->rest)));
		     start = end + 1) {
			*end = '\0';
			parse_line(log, start);
		}
		log->rest_size -= (size_t)(start - log->rest);
		memmove(log->rest, start, log->rest_size);
	}
}

size_t log_count(struct strace_log *log)
{
	log_read(log);
	return log->count;
}

const struct crossing *log_call(const struct strace_log *log, size_t index)
{
	return index < log->count ? &log->calls[index] : NULL;
}

uint64_t log_mark(struct strace_log *log)
{
	uint64_t now = now_ns();

	log_read(log);
	return log->mark = now;
}

const struct crossing *server_crossings(struct server *s, uint64_t from, uint64_t to, size_t *count)
{
	struct strace_log *log = s->log;

	if (!log)
		probe_fail("the server is not traced, so its calls can't be told");
	log_read(log);
	log->selected = realloc(log->selected, (log->count + 1) * sizeof(*log->selected));
	*count = 0;
	for (size_t i = 0; i < log->count; i++) {
		if (log->calls[i].end >= from && log->calls[i].end < to)
			log->selected[(*count)++] = log->calls[i];
	}
	return log->selected;
}

size_t server_calls(struct server *s, uint64_t from, const char *name)
{
	size_t count, found = 0;
	const struct crossing *calls;

	server_quiet(s);
	calls = server_crossings(s, from, UINT64_MAX, &count);
	for (size_t i = 0; i < count; i++)
		found += !name || strcmp(calls[i].name, folded(name)) == 0;
	return found;
}
