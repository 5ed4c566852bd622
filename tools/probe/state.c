/*
 * state.c: what a server is doing, or how it ended, as a clause for a sentence.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "probe_internal.h"

enum {
	SAMPLE_US = 50000, /* how long a server is watched to tell looping from waiting */
	LOOKS = 10,	   /* how often it is looked at meanwhile */
	TICKS_TO_TELL = 4, /* of so many ticks, one at least would have been in the kernel, if it made calls */
	LOOP_CALLS = 40,   /* as many calls in a sample are a loop: a traced server that waits makes a few */
};

static const double SHARE_TO_TELL = 0.05; /* of a core: less says more about the machine than about the loop */
static char state[1024];

/* ---- it has ended ---- */

static const char *place_of(const struct report *r)
{
	const char *file = strrchr(r->source, '/');

	if (!r->function[0] && !r->source[0])
		return "";
	if (!r->function[0])
		return text(" at %s", file ? file + 1 : r->source);
	return text(" in %s (%s)", r->function, file ? file + 1 : r->source);
}

static void describe_report(const struct report *r)
{
	static const char *const signals[] = { "SEGV", "BUS", "FPE", "ILL", "ABRT" };

	if (r->function[0])
		journal_note("function", "%s", r->function);
	if (r->source[0])
		journal_note("source", "%s", r->source);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strncmp(r->kind, signals[i], strlen(signals[i])) == 0) {
			journal_note("signal", "SIG%s", signals[i]);
			snprintf(state, sizeof(state), "the server died of SIG%s%s", signals[i], place_of(r));
			return;
		}
	}
	snprintf(state, sizeof(state), "%s stopped the server: %s%s", r->tool, r->kind, place_of(r));
}

static const char *saying(const struct server *s)
{
	const char *line = last_line(&s->err);

	if (!*line)
		line = last_line(&s->out);
	if (strncmp(line, "listening on ", strlen("listening on ")) == 0)
		return "";
	return *line ? text(", saying %s", quoted(line, strlen(line), 300)) : ", saying nothing";
}

static void describe_end(const struct server *s)
{
	struct report report;

	if (sanitizer_report(s, &report)) {
		describe_report(&report);
	} else if (WIFSIGNALED(s->status)) {
		const char *name = sigabbrev_np(WTERMSIG(s->status));

		journal_note("signal", "SIG%s", name ? name : "?");
		snprintf(state, sizeof(state), "the server died of SIG%s%s", name ? name : "?",
			 s->err.used ? saying(s) : "");
	} else {
		snprintf(state, sizeof(state), "the server exited with status %d%s", WEXITSTATUS(s->status), saying(s));
	}
}

/* ---- it runs ---- */

/* Numbers differ between machines; some machines lack the older calls. */
static const struct waiting_call waiting_calls[] = {
	{ SYS_read, "read", BOUND_RCVTIMEO, 0 },
	{ SYS_write, "write", BOUND_SNDTIMEO, 0 },
	{ SYS_readv, "readv", BOUND_RCVTIMEO, 0 },
	{ SYS_writev, "writev", BOUND_SNDTIMEO, 0 },
	{ SYS_recvfrom, "recv", BOUND_RCVTIMEO, 0 },
	{ SYS_recvmsg, "recvmsg", BOUND_RCVTIMEO, 0 },
	{ SYS_sendto, "send", BOUND_SNDTIMEO, 0 },
	{ SYS_sendmsg, "sendmsg", BOUND_SNDTIMEO, 0 },
	{ SYS_accept, "accept4", BOUND_RCVTIMEO, 0 },
	{ SYS_accept4, "accept4", BOUND_RCVTIMEO, 0 },
	{ SYS_connect, "connect", BOUND_ITSELF, 0 },
	{ SYS_pselect6, "select", BOUND_POINTER, 4 },
	{ SYS_ppoll, "poll", BOUND_POINTER, 2 },
	{ SYS_epoll_pwait, "epoll_wait", BOUND_MS, 3 },
	{ SYS_epoll_pwait2, "epoll_wait", BOUND_POINTER, 3 },
	{ SYS_io_uring_enter, "io_uring_enter", BOUND_ITSELF, 0 },
	{ SYS_futex, "futex", BOUND_POINTER, 3 },
	{ SYS_nanosleep, "nanosleep", BOUND_ITSELF, 0 },
	{ SYS_clock_nanosleep, "nanosleep", BOUND_ITSELF, 0 },
	{ SYS_wait4, "wait4", BOUND_NONE, 0 },
	{ SYS_waitid, "waitid", BOUND_NONE, 0 },
	{ SYS_rt_sigtimedwait, "rt_sigtimedwait", BOUND_POINTER, 2 },
	{ SYS_rt_sigsuspend, "rt_sigsuspend", BOUND_NONE, 0 },
#ifdef SYS_select
	{ SYS_select, "select", BOUND_POINTER, 4 },
	{ SYS_poll, "poll", BOUND_MS, 2 },
	{ SYS_epoll_wait, "epoll_wait", BOUND_MS, 3 },
	{ SYS_pause, "pause", BOUND_NONE, 0 },
#endif
};

const struct waiting_call *waiting_call(long number)
{
	for (size_t i = 0; i < sizeof(waiting_calls) / sizeof(waiting_calls[0]); i++) {
		if (waiting_calls[i].number == number)
			return &waiting_calls[i];
	}
	return NULL;
}

static const char *call_name(long number)
{
	const struct waiting_call *call = waiting_call(number);

	return call ? call->name : text("system call %ld", number);
}

struct waits {
	char names[256]; /* "epoll_wait, futex" */
	size_t threads;
};

static bool add_wait(pid_t pid, pid_t tid, void *arg)
{
	struct waits *w = arg;
	char line[256], comm[32], *end;
	const char *name;
	long number;

	if (task_state(pid, tid, comm) == 0 || strncmp(comm, "iou-", 4) == 0)
		return true;
	w->threads++;
	if (read_small_file(text("/proc/%d/task/%d/syscall", pid, tid), line, sizeof(line)) <= 0)
		return true;
	number = strtol(line, &end, 10);
	if (end == line || number < 0)
		return true; /* "running", or not in a call */
	name = call_name(number);
	if (!strstr(w->names, name) && strlen(w->names) + strlen(name) + 3 < sizeof(w->names)) {
		if (w->names[0])
			strcat(w->names, ", ");
		strcat(w->names, name);
	}
	return true;
}

static void describe_wait(const struct server *s)
{
	struct waits waits = { .threads = 0 };

	each_task(s->pid, add_wait, &waits);
	if (!waits.names[0]) {
		snprintf(state, sizeof(state), "the server is neither waiting nor looping");
		return;
	}
	journal_note("wait", "%s", waits.names);
	if (waits.threads > 1)
		snprintf(state, sizeof(state), "the server's %zu threads wait in %s", waits.threads, waits.names);
	else
		snprintf(state, sizeof(state), "the server waits in %s", waits.names);
}

/* The name that occurs most often among the calls from index `first` on. */
static const char *busiest_call(struct strace_log *log, size_t first)
{
	const char *best = "";
	size_t most = 0, end = log_count(log);

	for (size_t i = first; i < end && i < first + 2000; i++) {
		size_t same = 0;

		for (size_t j = first; j < end && j < first + 2000; j++)
			same += strcmp(log_call(log, i)->name, log_call(log, j)->name) == 0;
		if (same > most) {
			most = same;
			best = log_call(log, i)->name;
		}
		if (most * 2 > end - first)
			break;
	}
	return best;
}

/* Clock ticks that the process spent computing: in its own code, and within the kernel. */
struct ticks {
	long user, kernel;
};

static struct ticks ticks_of(const struct server *s)
{
	struct ticks t = { 0 };
	char stat[512];
	const char *after;

	if (read_small_file(text("/proc/%d/stat", s->pid), stat, sizeof(stat)) > 0 && (after = strrchr(stat, ')')))
		sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &t.user, &t.kernel);
	return t;
}

/* Where it computed since `before`, if the ticks are enough to tell. */
static const char *where_since(struct ticks before, const struct server *s)
{
	struct ticks t = ticks_of(s);

	if (t.kernel > before.kernel)
		return ", part of it in the kernel";
	return t.user - before.user >= TICKS_TO_TELL ? ", none of it in the kernel" : "";
}

/* Watches the server for a moment; true when it loops. */
static bool describe_loop(struct server *s)
{
	uint64_t start = monotonic_ns(), cpu = server_loop_cpu_ns(s), elapsed;
	size_t first = s->log ? log_count(s->log) : 0, calls;
	struct ticks before = ticks_of(s);
	double share;
	int rests = 0;

	for (int i = 0; i < LOOKS; i++) {
		pause_us(SAMPLE_US / LOOKS);
		rests += server_rests(s);
	}
	elapsed = monotonic_ns() - start;
	share = (double)(server_loop_cpu_ns(s) - cpu) / (double)elapsed;
	if (share > 1)
		share = 1; /* the clock moves in ticks */
	calls = s->log ? log_count(s->log) - first : 0;
	/* On a busy machine a loop gets little of a core, but it wants one whenever it is looked at. */
	if (!server_alive(s) || (share <= 0.5 && calls < LOOP_CALLS && rests > 0))
		return false;
	if (calls > 0)
		snprintf(state, sizeof(state),
			 "the server is looping: %.0f %% of a core, %.0f calls a second, most of them %s", 100 * share,
			 (double)calls * 1e9 / (double)elapsed, busiest_call(s->log, first));
	else if (share < SHARE_TO_TELL)
		snprintf(state, sizeof(state), "the server is looping");
	else
		snprintf(state, sizeof(state), "the server is looping: %.0f %% of a core%s", 100 * share,
			 s->log ? ", no system call" : where_since(before, s));
	return true;
}

const char *server_state(struct server *s)
{
	if (server_alive(s) && describe_loop(s))
		return state;
	if (server_alive(s))
		describe_wait(s);
	else
		describe_end(s);
	return state;
}
