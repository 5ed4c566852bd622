/*
 * proc.c: what /proc tells about a server: its threads, their states, its use
 * of CPU, memory and descriptors.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe_internal.h"

typedef bool visitor(pid_t pid, pid_t tid, void *arg);

/* The processes that thread `tid` has forked. The file is missing on kernels without CONFIG_PROC_CHILDREN. */
static bool each_child(pid_t pid, pid_t tid, visitor *visit, void *arg)
{
	char children[4096], *p = children;

	if (read_small_file(text("/proc/%d/task/%d/children", pid, tid), children, sizeof(children)) <= 0)
		return true;
	for (;;) {
		pid_t child = (pid_t)strtol(p, &p, 10);

		if (child <= 0)
			return true;
		if (!each_task(child, visit, arg))
			return false;
	}
}

bool each_task(pid_t pid, visitor *visit, void *arg)
{
	DIR *tasks = opendir(text("/proc/%d/task", pid));
	struct dirent *entry;
	bool more = true;

	if (!tasks)
		return true;
	while (more && (entry = readdir(tasks))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0)
			more = visit(pid, tid, arg) && each_child(pid, tid, visit, arg);
	}
	closedir(tasks);
	return more;
}

char task_state(pid_t pid, pid_t tid, char comm[32])
{
	char stat[512];
	const char *open, *close;

	if (read_small_file(text("/proc/%d/task/%d/stat", pid, tid), stat, sizeof(stat)) <= 0)
		return 0;
	open = strchr(stat, '(');
	close = strrchr(stat, ')'); /* the name itself may hold a parenthesis */
	if (!open || !close || close[1] != ' ')
		return 0;
	snprintf(comm, 32, "%.*s", (int)(close - open - 1), open + 1);
	return close[2];
}

/* Threads that io_uring runs in the kernel under the server's name: SQPOLL's, and workers. */
static bool is_io_uring_thread(const char *comm)
{
	return strncmp(comm, "iou-", 4) == 0;
}

static bool is_no_sq_thread(pid_t pid, pid_t tid, void *arg)
{
	char comm[32];

	(void)arg;
	return task_state(pid, tid, comm) == 0 || strncmp(comm, "iou-sqp", 7) != 0;
}

bool server_is_polled(const struct server *s)
{
	return !each_task(s->pid, is_no_sq_thread, NULL);
}

static bool task_sleeps(pid_t pid, pid_t tid, void *arg)
{
	char comm[32];
	char state = task_state(pid, tid, comm);

	(void)arg;
	return state == 0 || state == 'S' || state == 'Z' || state == 'X';
}

static bool task_rests(pid_t pid, pid_t tid, void *arg)
{
	char comm[32];

	return task_sleeps(pid, tid, arg) || (task_state(pid, tid, comm) && is_io_uring_thread(comm));
}

bool server_rests(const struct server *s)
{
	return each_task(s->pid, task_rests, NULL);
}

/*
 * SQPOLL's thread, which looks for work and does not sleep, has not dealt with
 * what came a moment ago until it has run since. Its clock moves in ticks: one
 * may be of before, the second is not.
 */
static void await_io_uring_threads(struct server *s, uint64_t deadline)
{
	uint64_t ran = server_ring_cpu_ns(s);

	for (int ticks = 0; ticks < 2 && !is_past(deadline) && !each_task(s->pid, task_sleeps, NULL);) {
		uint64_t now = server_ring_cpu_ns(s);

		ticks += now != ran;
		ran = now;
		pause_us(300);
	}
}

static uint64_t await_rest(struct server *s, bool of_ring_too)
{
	uint64_t deadline = deadline_in(PATIENCE_MS);
	int rested = 0;

	while (rested < 2 && server_alive(s)) {
		if (is_past(deadline))
			probe_fail("the server never came to rest: %s", server_state(s));
		rested = server_rests(s) ? rested + 1 : 0;
		if (rested == 1 && of_ring_too)
			await_io_uring_threads(s, deadline);
		if (rested < 2)
			pause_us(rested ? 1000 : 300);
	}
	return s->log ? log_mark(s->log) : now_ns();
}

uint64_t server_quiet(struct server *s)
{
	return await_rest(s, true);
}

uint64_t server_answered(struct server *s)
{
	return await_rest(s, false);
}

void server_asleep(struct server *s)
{
	uint64_t deadline = deadline_in(PATIENCE_MS);

	server_quiet(s);
	while (server_alive(s) && !each_task(s->pid, task_sleeps, NULL)) {
		if (is_past(deadline))
			probe_fail("the server never fell asleep: %s", server_state(s));
		pause_us(1000);
	}
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

uint64_t server_cpu_ns(const struct server *s)
{
	clockid_t clock;
	struct timespec t;

	if (s->ended)
		return timeval_ns(s->usage.ru_utime) + timeval_ns(s->usage.ru_stime);
	if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool add_io_uring_cpu(pid_t pid, pid_t tid, void *arg)
{
	char comm[32], schedstat[128];

	if (task_state(pid, tid, comm) == 0 || !is_io_uring_thread(comm))
		return true;
	if (read_small_file(text("/proc/%d/task/%d/schedstat", pid, tid), schedstat, sizeof(schedstat)) > 0)
		*(uint64_t *)arg += strtoull(schedstat, NULL, 10);
	return true;
}

uint64_t server_ring_cpu_ns(const struct server *s)
{
	uint64_t sum = 0;

	each_task(s->pid, add_io_uring_cpu, &sum);
	return sum;
}

uint64_t server_loop_cpu_ns(const struct server *s)
{
	uint64_t all = server_cpu_ns(s), others = server_ring_cpu_ns(s);

	return all > others ? all - others : 0;
}

uint64_t server_rss(const struct server *s)
{
	char statm[128];
	unsigned long pages = 0;

	if (read_small_file(text("/proc/%d/statm", s->pid), statm, sizeof(statm)) <= 0)
		return 0;
	sscanf(statm, "%*u %lu", &pages);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool add_switches(pid_t pid, pid_t tid, void *arg)
{
	char status[4096];
	const char *p = status;

	if (read_small_file(text("/proc/%d/task/%d/status", pid, tid), status, sizeof(status)) <= 0)
		return true;
	while ((p = strstr(p, "voluntary_ctxt_switches:"))) {
		p += strlen("voluntary_ctxt_switches:");
		*(uint64_t *)arg += strtoull(p, NULL, 10);
	}
	return true;
}

uint64_t server_context_switches(const struct server *s)
{
	uint64_t switches = 0;

	each_task(s->pid, add_switches, &switches);
	return switches;
}

static size_t entries(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

size_t server_open_files(const struct server *s)
{
	return entries(text("/proc/%d/fd", s->pid));
}

size_t server_threads(const struct server *s)
{
	return entries(text("/proc/%d/task", s->pid));
}
