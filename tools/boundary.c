/*
 * boundary: what one operation costs on this machine, from a function call to
 * a thread's wake-up: the table of chapter 0.
 *
 * Each operation is timed in many short samples, and their lower quartile is
 * told: what else runs on the machine makes samples longer, and only a rare
 * chance makes one shorter. Where two partners share a core, half a round trip
 * is one operation.
 */
#include <errno.h>
#include <liburing.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

enum {
	SAMPLES = 25,
	BATCH = 32, /* NOPs of one submission */
	TRACED_N = 5000,
	FILTERED_N = 500000,
};

static const char *why_skipped; /* set by an operation that can't be done here */

static double now_ns_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- cores ---- */

static cpu_set_t allowed; /* the cores that we may use */
static int core;	  /* the one that we use */

static void stay_on(int which)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)which, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		probe_fail("can't stay on core %d: %s", which, strerror(errno));
}

static int another_core(void)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (i != core && CPU_ISSET((size_t)i, &allowed))
			return i;
	return -1;
}

/* ---- the operations: each does `n` and returns how long that took, in ns ---- */

static __attribute__((noinline)) void called(void)
{
	__asm__ volatile(""); /* keeps the compiler from seeing that nothing is done */
}

static double function_call(long n)
{
	double start = now_ns_monotonic();

	for (long i = 0; i < n; i++)
		called();
	return now_ns_monotonic() - start;
}

static double vdso(long n)
{
	double start = now_ns_monotonic();
	struct timespec t;

	for (long i = 0; i < n; i++)
		clock_gettime(CLOCK_MONOTONIC, &t);
	return now_ns_monotonic() - start;
}

static double system_call(long n)
{
	double start = now_ns_monotonic();

	for (long i = 0; i < n; i++)
		getppid();
	return now_ns_monotonic() - start;
}

static void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		probe_fail("no pipe: %s", strerror(errno));
}

static void give(const int ends[2])
{
	if (write(ends[1], "x", 1) != 1)
		probe_fail("can't write to a pipe: %s", strerror(errno));
}

/* False at the end: the partner has gone. */
static bool take(const int ends[2])
{
	char byte;

	return read(ends[0], &byte, 1) == 1;
}

static double pipe_alone(long n)
{
	int ends[2];

	make_pipe(ends);
	double start = now_ns_monotonic();
	for (long i = 0; i < n; i++) {
		give(ends);
		take(ends);
	}
	double ns = now_ns_monotonic() - start;
	close(ends[0]);
	close(ends[1]);
	return ns;
}

static double pipe_switch(long n)
{
	int there[2], back[2];

	make_pipe(there);
	make_pipe(back);
	pid_t partner = fork();
	if (partner < 0)
		probe_fail("can't fork: %s", strerror(errno));
	if (partner == 0) {
		close(there[1]);
		while (take(there))
			give(back);
		_exit(0);
	}
	double start = now_ns_monotonic();
	for (long i = 0; i < n / 2; i++) {
		give(there);
		take(back);
	}
	double ns = now_ns_monotonic() - start;
	close(there[1]);
	waitpid(partner, NULL, 0);
	close(there[0]);
	close(back[0]);
	close(back[1]);
	return ns;
}

/* ---- wake-ups: two threads pass `turn` to each other, and sleep while it is the other's ---- */

static int turn;

static void pass_turn(int to)
{
	__atomic_store_n(&turn, to, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await_turn(int mine)
{
	for (int seen; (seen = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != mine;)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

struct partner {
	int core;
	long rounds;
};

static void *be_partner(void *arg)
{
	const struct partner *p = arg;

	stay_on(p->core);
	for (long i = 0; i < p->rounds; i++) {
		await_turn(1);
		pass_turn(0);
	}
	return NULL;
}

static double wake_ups(long n, int partners_core)
{
	struct partner p = { partners_core, n / 2 + 1 };
	pthread_t thread;
	double start = 0;

	turn = 0;
	if (pthread_create(&thread, NULL, be_partner, &p))
		probe_fail("no thread: %s", strerror(errno));
	for (long i = 0; i < p.rounds; i++) {
		if (i == 1)
			start = now_ns_monotonic(); /* the first round has awaited the thread's start */
		pass_turn(1);
		await_turn(0);
	}
	double ns = now_ns_monotonic() - start;
	pthread_join(thread, NULL);
	return ns;
}

static double wake_here(long n)
{
	return wake_ups(n, core);
}

static double wake_there(long n)
{
	if (another_core() < 0)
		why_skipped = "there is one core";
	return why_skipped ? 0 : wake_ups(n, another_core());
}

/* ---- io_uring ---- */

static const char *refusal(int error)
{
	switch (error) {
	case EPERM:
		return "io_uring is refused (EPERM): by kernel.io_uring_disabled, or by a container's seccomp profile";
	case ENOSYS:
		return "io_uring is not there (ENOSYS): the kernel or a sandbox lacks it";
	default:
		return strerror(error);
	}
}

/* n NOPs, `batch` of them a submission. */
static double nops(long n, unsigned int batch)
{
	struct io_uring ring;
	int error = -io_uring_queue_init(BATCH, &ring, 0);

	if (error) {
		why_skipped = refusal(error);
		return 0;
	}
	double start = now_ns_monotonic();
	for (long i = 0; i < n; i += batch) {
		for (unsigned int j = 0; j < batch; j++)
			io_uring_prep_nop(io_uring_get_sqe(&ring));
		if (io_uring_submit_and_wait(&ring, batch) < 0)
			probe_fail("io_uring_enter failed");
		io_uring_cq_advance(&ring, batch);
	}
	double ns = now_ns_monotonic() - start;
	io_uring_queue_exit(&ring);
	return ns;
}

static double nop_alone(long n)
{
	return nops(n, 1);
}

static double nop_batch(long n)
{
	return nops(n, BATCH);
}

/* ---- under observation: chapter 0's own program ---- */

static char *const *program; /* build/plain/solutions/00-boundary/boundary */
static jmp_buf skipping;

static void note_skip(const char *reason)
{
	why_skipped = strdup(reason);
	longjmp(skipping, 1);
}

static double observed(long n, const char *strace)
{
	char count[32], *argv[] = { program[0], "crossing", count, NULL };
	const char *found;

	snprintf(count, sizeof(count), "%ld", n);
	if (setjmp(skipping))
		return 0;
	struct program_run run = program_run(argv, strace);
	found = strstr(run.out, " ns_each=");
	if (!found)
		probe_fail("%s", run.state);
	return strtod(found + strlen(" ns_each="), NULL) * (double)n;
}

static double traced(long n)
{
	return observed(n, "");
}

static double filtered(long n)
{
	return observed(n, "--seccomp-bpf -e trace=none");
}

/* ---- the table ---- */

static const struct operation {
	const char *name;
	double (*run)(long n);
	long n; /* of a sample */
	int samples;
	const char *note;
} operations[] = {
	{ "function call", function_call, 200000, SAMPLES, "0 crossings" },
	{ "vDSO clock_gettime", vdso, 20000, SAMPLES,
	  "0 crossings: code and data that the kernel has mapped into the program" },
	{ "system call (getppid)", system_call, 10000, SAMPLES, "1 crossing" },
	{ "pipe write+read", pipe_alone, 5000, SAMPLES, "2 crossings, 1 byte copied in and out" },
	{ "context switch over pipes", pipe_switch, 1000, SAMPLES,
	  "2 crossings, 1 switch: half a round trip of two processes on one core" },
	{ "thread wake-up (futex)", wake_here, 1000, SAMPLES,
	  "2 crossings, 1 switch: half a round trip of two threads on one core" },
	{ "thread wake-up, another core", wake_there, 1000, SAMPLES,
	  "2 crossings, 1 wake-up of a core: half a round trip of two threads on two" },
	{ "io_uring NOP, alone", nop_alone, 5000, SAMPLES, "1 crossing" },
	{ "io_uring NOP, in a batch of 32", nop_batch, 32000, SAMPLES, "1/32 crossing" },
	{ "system call, filtered by strace", filtered, FILTERED_N, 4,
	  "1 crossing under strace --seccomp-bpf -e trace=none: a filter lets it pass" },
	{ "system call under strace", traced, TRACED_N, 4, "1 crossing, 2 stops at which strace runs" },
};
enum { OPERATIONS = sizeof(operations) / sizeof(operations[0]) };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double lower_quartile(const struct operation *o)
{
	double samples[SAMPLES];

	why_skipped = NULL;
	for (int i = 0; i < o->samples && !why_skipped; i++)
		samples[i] = o->run(o->n) / (double)o->n;
	if (why_skipped)
		return 0;
	qsort(samples, (size_t)o->samples, sizeof(samples[0]), compare);
	return samples[o->samples / 4];
}

static void tell(FILE *tsv, const struct operation *o, double ns, double crossing)
{
	if (why_skipped) {
		fprintf(tsv, "%s\t-\tskipped: %s\n", o->name, why_skipped);
		printf("  %-32s        –            skipped: %s\n", o->name, why_skipped);
		return;
	}
	fprintf(tsv, "%s\t%.2f\t%s\n", o->name, ns, o->note);
	printf("  %-32s %8.*f ns ", o->name, ns < 10 ? 1 : 0, ns);
	if (crossing > 0)
		printf(" %7.*f ×", ns < 10 * crossing ? 2 : 0, ns / crossing);
	else
		printf("          ");
	printf("  %s\n", o->note);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const versions[] = { "strace --version", NULL };
	char *path = "build/results/boundary.tsv";
	const struct tool_option table[] = {
		{ "tsv", OPTION_TEXT, &path, 0, "FILE", "where the table goes" },
		{ NULL },
	};
	double all[OPERATIONS];

	program = tool_options(argc, argv,
			       "what one operation costs here: boundary [--tsv FILE] -- PROGRAM of chapter 0", table);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	probe_handle_signals();
	FILE *tsv = results_open(path, false, versions, "operation\tns\tnote");
	probe_on_skip = note_skip;
	printf("what one operation costs on this machine, and how many system calls that is worth\n\n");
	for (int i = 0; i < OPERATIONS; i++) {
		bool traces = operations[i].run == traced || operations[i].run == filtered;
		core = sched_getcpu();
		if (traces)
			sched_setaffinity(0, sizeof(allowed), &allowed); /* strace inherits it */
		else
			stay_on(core);
		all[i] = lower_quartile(&operations[i]);
		tell(tsv, &operations[i], all[i], i >= 2 ? all[2] : 0);
	}
	fclose(tsv);
	printf("\nwritten: %s\n", path);
	return TOOL_DONE;
}
