/*
 * boundary: what it costs to ask the kernel. Four experiments, which share one
 * core, and print a line each: what was asked, and then KEY=VALUE.
 *
 *	boundary crossing N		makes N system calls
 *	boundary switch N		sends a byte to a partner and back, N times
 *	boundary move N CHUNK		moves N bytes through a pipe, CHUNK of them at a time
 *	boundary observe N		makes N system calls, watched in the way of strace
 *	boundary			does all of these
 *
 * Needs Linux 5.3 (PTRACE_GET_SYSCALL_INFO).
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "startup.h"

enum {
	CHUNK_MAX = 65536,  /* what an empty pipe takes at once; to write more would be to wait for a reader */
	N_MAX = 1000000000, /* so many take minutes already */
	USAGE = 2,	    /* exit status of a command line that makes no sense */
};

static long chunk = 1; /* bytes that `move` hands over at a time */
static char given[CHUNK_MAX], taken[CHUNK_MAX];

static void give(const int ends[2], long size)
{
	if (write(ends[1], given, (size_t)size) != size)
		die("cannot write to a pipe", "See pipe(7).");
}

/* Waits until something is there. */
static void take(const int ends[2], long size)
{
	if (read(ends[0], taken, (size_t)size) != size)
		die("cannot read from a pipe", "See pipe(7).");
}

static void make_pipe(int ends[2])
{
	if (pipe(ends))
		die("cannot make a pipe", "See pipe(2).");
}

/* ---- the experiments: each returns how many calls, rounds or bytes it has seen ---- */

static long crossing(long n)
{
	/* TODO 0.1: Time a crossing */
	struct timespec t;

	/* Its page is in section 2 of the manual, so it is a system call. */
	for (long i = 0; i < n; i++)
		clock_gettime(CLOCK_MONOTONIC, &t);
	return n;
}

static long round_trips(long n)
{
	int there[2], back[2];

	make_pipe(there);
	make_pipe(back);
	/* TODO 0.2: A mode switch is not a context switch */
	/* Four system calls a round: so much for the context switches. */
	for (long i = 0; i < n; i++) {
		give(there, 1);
		take(there, 1);
		give(back, 1);
		take(back, 1);
	}
	return n;
}

static long move(long bytes)
{
	long moved = 0;
	int ends[2];

	make_pipe(ends);
	while (moved < bytes) {
		/* TODO 0.3: Amortize */
		long size = 1; /* each byte leaves as soon as it is there */
		give(ends, size);
		take(ends, size);
		moved += size;
	}
	return moved;
}

/* The child's part: to ask for an observer, wait for it, and make the calls. */
static noreturn void be_observed(long n)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		die("cannot be observed", "A process has one observer at the most: is it under strace?");
	kill(getpid(), SIGSTOP);
	crossing(n);
	_exit(EXIT_SUCCESS);
}

/* Lets the child run until it enters a system call, or returns from one; false when it has ended. */
static bool next_stop(pid_t child)
{
	int status;

	if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) || waitpid(child, &status, 0) < 0)
		die("cannot observe", "See ptrace(2).");
	return WIFSTOPPED(status);
}

static long observe(long n)
{
	long calls = 0;
	pid_t child = fork();

	if (child == 0)
		be_observed(n);
	if (child < 0 || waitpid(child, NULL, 0) < 0 ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
		die("cannot observe", "See ptrace(2).");
	while (next_stop(child)) {
		/* TODO 0.4: The observer's price */
		calls++; /* it has stopped because of a system call, so here is one more */
	}
	return calls;
}

/* ---- what all of them share ---- */

/*
 * The time, and what the kernel's books say of us and of those children that
 * we have waited for: CPU time, and how often the core was lost, to wait for
 * something or because another process was let in.
 */
struct books {
	double ns, cpu_ns;
	long switches;
};

static struct books read_books(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	struct timespec t;
	struct rusage u;

	clock_gettime(CLOCK_MONOTONIC, &t);
	struct books b = { .ns = 1e9 * (double)t.tv_sec + (double)t.tv_nsec };
	for (int i = 0; i < 2; i++) {
		if (getrusage(whose[i], &u))
			die("cannot read the kernel's books", "See getrusage(2).");
		b.cpu_ns += 1e9 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec);
		b.cpu_ns += 1e3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
		b.switches += u.ru_nvcsw + u.ru_nivcsw;
	}
	return b;
}

/* From here on we and our children run in turn, never at once. */
static void share_one_core(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		die("cannot stay on one core", "See sched_setaffinity(2).");
}

static const struct experiment {
	const char *name;
	long (*run)(long n);
	long n, chunk; /* as `boundary` alone has them */
} experiments[] = {
	{ "crossing", crossing, 1000000, 0 },
	{ "switch", round_trips, 50000, 0 },
	{ "move", move, 1 << 20, 1 },
	{ "move", move, 1 << 20, 4096 },
	{ "move", move, 1 << 20, 65536 },
	{ "observe", observe, 20000, 0 },
	{ NULL, NULL, 0, 0 },
};

static void perform(const struct experiment *e, long n, long size)
{
	chunk = size;
	struct books before = read_books();
	long count = e->run(n);
	struct books after = read_books();
	double each = (double)(count ? count : 1);

	printf("%s %ld", e->name, n);
	if (e->chunk)
		printf(" %ld", chunk);
	printf(" count=%ld ns_each=%.2f cpu_ns_each=%.2f context_switches=%ld\n", count, (after.ns - before.ns) / each,
	       (after.cpu_ns - before.cpu_ns) / each, after.switches - before.switches);
}

/* ---- the command line ---- */

static long number(const char *word, long max)
{
	char *end;
	long n = strtol(word, &end, 10);

	if (end != word && !*end && n > 0 && n <= max)
		return n;
	fprintf(stderr, "boundary: '%.40s' is no number from 1 to %ld\n", word, max);
	exit(USAGE);
}

int main(int argc, char **argv)
{
	const struct experiment *e = experiments;

	setlinebuf(stdout);
	share_one_core();
	memset(given, 'x', sizeof(given)); /* both buffers have their memory before a clock runs */
	memset(taken, 'x', sizeof(taken));
	for (; argc == 1 && e->name; e++)
		perform(e, e->n, e->chunk);
	while (argc > 1 && e->name && strcmp(argv[1], e->name) != 0)
		e++;
	if (argc > 1 && (!e->name || argc != (e->chunk ? 4 : 3))) {
		fprintf(stderr, "usage: boundary [crossing N | switch N | move N CHUNK | observe N]\n");
		return USAGE;
	}
	if (argc > 1)
		perform(e, number(argv[2], N_MAX), argc == 4 ? number(argv[3], CHUNK_MAX) : 0);
	return 0;
}
