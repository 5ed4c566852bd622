/*
 * faults: every system call of a server fails, with every error that its man
 * page lists (faults.tsv), at its first, a middle and each occurrence, by
 * strace's injection; and ends as the table says. A server never spins over it.
 *
 *	SERVER=build/plain/solutions/04-epoll/server build/tests/faults tests/faults.tsv
 *
 * A dry run under strace shows which calls the server makes, and how many of
 * each its thread has made when the scenario's middle begins: that is where
 * faults are injected. Each fault then has a process of its own.
 *
 * Prints a line for each pair that ended otherwise, and a summary. Exit status:
 * 0 all as the table says, 1 not, 77 ptrace is refused.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tools/probe/probe.h"

enum {
	ROWS_MAX = 64,
	STARTUP_MAX = 256,
	WARM_UP = 12, /* requests of A before the middle: more than B ever makes, so that no fault hits B's thread */
	BLOB_SIZE = 100000, /* more than a slow client's socket takes at once */
	SPIN_FACTOR = 4,    /* a server that makes so many times the calls of the dry run, */
	SPIN_EXTRA = 400,   /* and these, is spinning */
	JOBS = 4,	    /* most of their time they wait */
};

enum ending { EXIT, GOES_ON, CLOSED, ASIDE };
static const char *const ending_names[] = { "exit", "goes-on", "closed", "aside" };

struct row {
	char call[48]; /* or "write@05-epoll-et": what is said of one server */
	bool startup;
	enum ending ending;
	char only[24];
	char errors[300]; /* or the reason, where aside */
};
static struct row rows[ROWS_MAX];
static size_t row_count;

/* The calls of the dry run, by the name that the kernel has for them. */
struct seen {
	char call[24], raw[24];
	size_t before; /* of its thread, when the middle begins */
	size_t within; /* in the middle */
	pid_t tid;     /* the thread that made the first of those; */
	bool spread;   /* others made some, too: strace counts theirs apart, so there is no second in a row */
};
static struct seen seen[ROWS_MAX];
static size_t seen_count, dry_calls;

/* Its calls before it listens, the loader's included. */
static struct startup_call {
	char call[24], raw[24], args[120];
	size_t nth; /* of its name */
} startup_calls[STARTUP_MAX];
static size_t startup_count;

static noreturn void quit(const char *what, const char *why)
{
	fprintf(stderr, "faults: %s: %s\n", what, why);
	exit(1);
}

/* ---- the table ---- */

static void read_row(char *line)
{
	struct row *r = &rows[row_count];
	char when[16], ending[16];

	if (sscanf(line, "%47[^\t]\t%15[^\t]\t%15[^\t]\t%23[^\t]\t%299[^\n]", r->call, when, ending, r->only,
		   r->errors) != 5)
		quit("a row needs five columns", line);
	r->startup = strcmp(when, "startup") == 0;
	for (r->ending = EXIT; r->ending <= ASIDE; r->ending++)
		if (strcmp(ending, ending_names[r->ending]) == 0)
			break;
	if (r->ending > ASIDE || ++row_count == ROWS_MAX)
		quit("no such ending, or too many rows", line);
}

static void read_table(const char *path)
{
	char line[512];
	FILE *file = fopen(path, "r");
	bool head = true;

	if (!file)
		quit(path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (!head)
			read_row(line);
		head = false;
	}
	fclose(file);
}

/* ---- the scenario ---- */

/* Sends a request and reads a reply of `size` bytes; false when the connection ends before that. */
static bool asks(struct client *c, const char *request, char *reply, size_t size)
{
	size_t length = strlen(request);

	return client_send_some(c, request, length) == (ssize_t)length && client_read_some(c, reply, size) == size;
}

static bool asks_for(struct client *c, const char *request, const char *reply)
{
	char got[64];

	if (!asks(c, request, got, strlen(reply)))
		return false;
	if (memcmp(got, reply, strlen(reply)) != 0)
		probe_fail("%.20s was answered with other bytes than %.20s", request, reply);
	return true;
}

static bool asks_for_blob(struct client *c)
{
	static char got[BLOB_SIZE + 16];
	char request[32], head[16];
	int size = snprintf(head, sizeof(head), "$%d\r\n", BLOB_SIZE);

	snprintf(request, sizeof(request), "BLOB %d\r\n", BLOB_SIZE);
	if (!asks(c, request, got, (size_t)size + BLOB_SIZE + 2))
		return false;
	for (int i = 0; i < BLOB_SIZE; i++)
		if (got[size + i] != 'a' + i % 26)
			probe_fail("byte %d of a BLOB is wrong", i);
	return true;
}

/* What is injected into: reads, writes, waits, a short write, an accept, two closes. Returns how many clients were cut off. */
static int middle(struct server *s, struct client *a)
{
	struct client *c = client_open(s, "C");
	bool a_served = asks_for(a, "PING\r\n", "+PONG\r\n") && asks_for(a, "WORK 0 100\r\n", "+DONE\r\n") &&
			asks_for_blob(a) && asks_for(a, "ECHO hello\r\n", "$5\r\nhello\r\n");
	bool c_served = asks_for(c, "PING\r\n", "+PONG\r\n") && asks_for(c, "QUIT\r\n", "+OK\r\n");

	client_close(a);
	client_close(c);
	return !a_served + !c_served;
}

static struct server *start(const char *strace)
{
	return server_start(&(struct server_options){ .argv = server_command(), .strace = strace });
}

struct run {
	uint64_t from, to; /* the middle */
	int cut_off;
};

/* B stands by: whatever happens in the middle, it is served before and after. So is D, who comes late. */
static struct run play(struct server *s)
{
	struct run run;
	struct client *b = client_open(s, "B"), *a = client_open_slow(s, "A");

	client_ping(b);
	for (int i = 0; i < WARM_UP; i++)
		client_ping(a);
	run.from = server_quiet(s);
	run.cut_off = middle(s, a);
	run.to = server_quiet(s);
	client_ping(b);
	client_ping(client_open(s, "D"));
	return run;
}

/* ---- the dry run ---- */

static void raw_name(const struct crossing *call, char name[24])
{
	snprintf(name, 24, "%.*s", (int)strcspn(call->raw, "("), call->raw);
}

static struct seen *seen_as(const struct crossing *call)
{
	char raw[24];
	size_t i;

	raw_name(call, raw);
	for (i = 0; i < seen_count; i++)
		if (strcmp(seen[i].raw, raw) == 0)
			return &seen[i];
	if (++seen_count == ROWS_MAX)
		quit("the server makes too many different calls", raw);
	snprintf(seen[i].call, sizeof(seen[i].call), "%s", call->name);
	snprintf(seen[i].raw, sizeof(seen[i].raw), "%s", raw);
	return &seen[i];
}

/* strace counts occurrences for each thread: how many had `calls[index]`'s thread made before it? */
static size_t made_before(const struct crossing *calls, size_t index)
{
	char raw[24], other[24];
	size_t made = 0;

	raw_name(&calls[index], raw);
	for (size_t i = 0; i < index; i++) {
		raw_name(&calls[i], other);
		made += calls[i].tid == calls[index].tid && strcmp(raw, other) == 0;
	}
	return made;
}

static void keep_startup(const struct crossing *calls, size_t count)
{
	bool listening = false;

	for (size_t i = 0; i < count && !listening && startup_count < STARTUP_MAX; i++) {
		struct startup_call *call = &startup_calls[startup_count++];
		snprintf(call->call, sizeof(call->call), "%s", calls[i].name);
		snprintf(call->args, sizeof(call->args), "%s", calls[i].args);
		raw_name(&calls[i], call->raw);
		call->nth = made_before(calls, i) + 1;
		/* What comes right after the line is still start-up: an epoll instance, its first registration. */
		listening = strcmp(calls[i].name, "epoll_wait") == 0 || strcmp(calls[i].name, "accept4") == 0;
	}
}

static void dry_run(void)
{
	struct server *s = start("");
	struct run run = play(s);
	size_t count;

	server_stop(s);
	const struct crossing *calls = server_crossings(s, 0, UINT64_MAX, &count);
	for (size_t i = 0; i < count; i++) {
		if (calls[i].end < run.from)
			continue;
		struct seen *known = seen_as(&calls[i]);
		if (calls[i].end >= run.to)
			continue;
		if (known->within++ == 0) {
			known->before = made_before(calls, i);
			known->tid = calls[i].tid;
		}
		known->spread |= calls[i].tid != known->tid;
	}
	keep_startup(calls, count);
	dry_calls = count;
}

/* ---- one fault ---- */

static struct {
	const struct row *row;
	const char *error, *at;
	struct server *server;
	int verdict; /* a pipe: the sentence that says what went wrong, or nothing */
} fault;

static noreturn void judged(const char *wrong)
{
	if (wrong)
		dprintf(fault.verdict, "%s", wrong);
	if (fault.server)
		server_kill(fault.server);
	_exit(0);
}

/* The scenario could not be played to its end: right, where the server is to exit with a line that says why. */
static void on_fail(const char *text)
{
	const char *state = fault.server ? server_state(fault.server) : text;

	if (fault.row->ending == EXIT && strstr(state, "exited with status 1, saying ") &&
	    !strstr(state, "saying nothing"))
		judged(NULL);
	judged(text);
}

static void judge_calls(struct server *s)
{
	static char why[200];
	size_t count, injected = 0;
	const struct crossing *calls = server_crossings(s, 0, UINT64_MAX, &count);

	for (size_t i = 0; i < count; i++)
		injected += strstr(calls[i].raw, "INJECTED") != NULL;
	snprintf(why, sizeof(why), "it made %zu calls, where without the fault it makes %zu: it spins", count,
		 dry_calls);
	if (count > dry_calls * SPIN_FACTOR + SPIN_EXTRA)
		judged(why);
	if (injected == 0)
		judged("the call was not made again, so nothing was injected");
}

static noreturn void play_fault(const char *when)
{
	char strace[128];

	snprintf(strace, sizeof(strace), "-e inject=%s:error=%s:when=%s", fault.at, fault.error, when);
	probe_on_fail = on_fail;
	fault.server = start(strace);
	struct run run = play(fault.server);
	if (fault.row->ending == EXIT)
		judged("it went on, where it should have ended with one line that says why");
	if (fault.row->ending == GOES_ON && run.cut_off > 0)
		judged("a client was cut off, though nothing was wrong with its connection");
	judge_calls(fault.server);
	server_stop(fault.server);
	fault.server = NULL;
	judged(NULL);
}

/* ---- all of them ---- */

static struct job {
	pid_t pid;
	int verdict;
	char name[96];
} jobs[JOBS];
static size_t pairs, occurrences, wrong;

static void finish(struct job *job)
{
	char text[512];
	ssize_t n, size = 0;
	int status;

	while ((n = read(job->verdict, text + size, sizeof(text) - 1 - (size_t)size)) > 0)
		size += n;
	text[size] = '\0';
	waitpid(job->pid, &status, 0);
	if (size == 0 && status != 0)
		snprintf(text, sizeof(text), "the check itself failed (wait status %d)", status);
	if (text[0]) {
		printf("✗ %s: %s\n", job->name, text);
		wrong++;
	}
	close(job->verdict);
	job->pid = 0;
}

static void begin(const struct row *row, const char *raw, const char *error, const char *when, const char *which)
{
	static size_t next;
	struct job *job = &jobs[next++ % JOBS];
	int ends[2];

	if (job->pid)
		finish(job);
	if (pipe(ends))
		quit("pipe", strerror(errno));
	snprintf(job->name, sizeof(job->name), "%s %s, %s (when=%s), should end: %s", raw, error, which, when,
		 ending_names[row->ending]);
	fflush(stdout);
	job->pid = fork();
	if (job->pid < 0)
		quit("fork", strerror(errno));
	if (job->pid == 0) {
		close(ends[0]);
		fault.row = row;
		fault.at = raw;
		fault.error = error;
		fault.verdict = ends[1];
		play_fault(when);
	}
	close(ends[1]);
	job->verdict = ends[0];
	occurrences++;
}

/* True where the table says why this pair can't be had from this server: a row "write@05-epoll-et … EAGAIN: why". */
static bool is_aside(const struct row *row, const char *error)
{
	char name[64];

	for (size_t i = 0; i < row_count; i++) {
		const char *at = strchr(rows[i].call, '@');
		snprintf(name, sizeof(name), "%s:", error);
		if (at && rows[i].startup == row->startup && strstr(getenv("SERVER"), at + 1) &&
		    strncmp(rows[i].call, row->call, (size_t)(at - rows[i].call)) == 0 &&
		    (strncmp(rows[i].errors, name, strlen(name)) == 0 || strncmp(rows[i].errors, "all:", 4) == 0))
			return true;
	}
	return false;
}

static void inject_startup(const struct row *row, const char *error)
{
	char when[32];

	for (size_t i = 0; i < startup_count; i++) {
		const struct startup_call *call = &startup_calls[i];
		if (strcmp(call->call, row->call) != 0 ||
		    (strcmp(row->only, "-") != 0 && !strstr(call->args, row->only)))
			continue;
		snprintf(when, sizeof(when), "%zu", call->nth);
		begin(row, call->raw, error, when, "at start-up");
	}
}

static void inject_running(const struct row *row, const char *error)
{
	char when[64];

	for (size_t i = 0; i < seen_count; i++) {
		const struct seen *call = &seen[i];
		if (strcmp(call->call, row->call) != 0 || call->within == 0)
			continue;
		snprintf(when, sizeof(when), "%zu", call->before + 1);
		begin(row, call->raw, error, when, "first");
		if (call->within < 2 || call->spread)
			continue;
		snprintf(when, sizeof(when), "%zu", call->before + (call->within + 1) / 2);
		begin(row, call->raw, error, when, "in the middle");
		/* Twice in a row, for A and C: a third might be B's, where the first two have cut those off. */
		snprintf(when, sizeof(when), "%zu..%zu", call->before + 1, call->before + 2);
		begin(row, call->raw, error, when, "repeated");
	}
}

static void inject(struct row *row)
{
	char errors[sizeof(row->errors)];
	size_t before = occurrences;

	if (row->ending == ASIDE || strchr(row->call, '@'))
		return;
	snprintf(errors, sizeof(errors), "%s", row->errors);
	for (char *error = strtok(errors, " "); error; error = strtok(NULL, " ")) {
		if (is_aside(row, error))
			continue;
		before = occurrences;
		if (row->startup)
			inject_startup(row, error);
		else
			inject_running(row, error);
		pairs += occurrences > before;
	}
}

/* A call of the running server that no row names would be left out silently. */
static void check_table(void)
{
	for (size_t i = 0; i < seen_count; i++) {
		bool known = false;
		for (size_t j = 0; j < row_count; j++)
			known |= !rows[j].startup && strcmp(rows[j].call, seen[i].call) == 0;
		if (!known) {
			printf("✗ %s: the server makes this call, and no row of the table says how it may fail\n",
			       seen[i].call);
			wrong++;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 2 || !getenv("SERVER")) {
		fprintf(stderr, "usage: SERVER=… faults faults.tsv\n");
		return 2;
	}
	read_table(argv[1]);
	dry_run();
	check_table();
	for (size_t i = 0; i < row_count; i++)
		inject(&rows[i]);
	for (size_t i = 0; i < JOBS; i++)
		if (jobs[i].pid)
			finish(&jobs[i]);
	printf("%zu pairs of call and error, injected %zu times\n", pairs, occurrences);
	printf("%zu passed, %zu failed\n", occurrences - (wrong < occurrences ? wrong : occurrences), wrong);
	return wrong > 0;
}
