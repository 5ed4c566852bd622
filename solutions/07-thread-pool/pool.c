/*
 * A thread pool: a bounded queue, and workers that sleep while it is empty.
 *
 * Crossings: a lock that nobody holds is taken and given back without the
 * kernel. A worker that sleeps costs two, futex(2) to sleep and futex(2) to be
 * woken; one that finds work in the queue costs none. A burst of results costs
 * one write to the eventfd.
 */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

enum { MEASURED_JOBS = 32 }; /* how much work one worker does before the pool is given its size */

struct job {
	struct conn *conn; /* whose it is; a worker does not look at it */
	uint32_t cpu_us, wait_us;
	struct job *next;
};
struct jobs {
	struct job *first, **end;
};

/* The loop's own. */
static pthread_t threads[THREADS_MAX];
static long workers, cores;
static long room, out; /* jobs that may wait for a worker; those handed over and not yet collected */
static struct job *spare, *collected;
static bool measuring;

/* The loop's and the workers': look at them under `lock` only. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
#ifndef NAIVE_7_1
static pthread_cond_t work = PTHREAD_COND_INITIALIZER; /* the queue is not empty */
static struct jobs queue = { NULL, &queue.first };
#else
/* TODO 7.1 */
/* Work needs a place to wait, and workers a condition to sleep on. */
#endif
static struct jobs done = { NULL, &done.first };
static uint64_t finished, busy_ns; /* jobs done, and how long they took in all */
static int done_fd;

static void push(struct jobs *l, struct job *job)
{
	job->next = NULL;
	*l->end = job;
	l->end = &job->next;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- a worker ---- */

static void do_work(const struct job *job)
{
	burn_us(job->cpu_us);
	if (job->wait_us > 0)
		usleep(job->wait_us);
}

static void hand_back(struct job *job, uint64_t took_ns)
{
	pthread_mutex_lock(&lock);
#ifndef NAIVE_7_2
	bool first = !done.first; /* else the loop has been told, and has not come yet */
#else
	/* TODO 7.2 */
	/* The loop finds it when it looks the next time. */
#endif
	push(&done, job);
	finished++;
	busy_ns += took_ns;
	pthread_mutex_unlock(&lock);
#ifndef NAIVE_7_2
	uint64_t one = 1;
	while (first && write(done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
#else
#endif
}

static void run(struct job *job)
{
	uint64_t begun = clock_ns(CLOCK_MONOTONIC); /* the vDSO answers: no crossing */

	do_work(job);
	hand_back(job, clock_ns(CLOCK_MONOTONIC) - begun);
}

static void *worker(void *unused)
{
#ifndef NAIVE_7_1
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue.first)
			pthread_cond_wait(&work, &lock);
		struct job *job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&lock);
		run(job);
	}
#else
	/* TODO 7.1 */
	/* Here a thread would wait for work, run() it, and wait again. */
#endif
	return unused;
}

/* False where the system has no thread left. Signals stay the main thread's: they would cut a wait short. */
static bool start_worker(void)
{
	pthread_attr_t attributes;
	sigset_t stops;

	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGALRM);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &stops);
	int error = pthread_create(&threads[workers], &attributes, worker, NULL);
	pthread_attr_destroy(&attributes);
	if (error == 0)
		workers++;
	errno = error;
	return error == 0;
}

/* ---- how many ---- */

struct measured {
	uint64_t jobs, cpu_us, wait_us; /* how many, and what one takes: on a core, and off it */
};

static struct measured measure(void)
{
	uint64_t cpu_ns = 0;
	clockid_t clock;

	for (long i = 0; i < workers; i++) {
		if (pthread_getcpuclockid(threads[i], &clock) == 0)
			cpu_ns += clock_ns(clock);
	}
	pthread_mutex_lock(&lock);
	uint64_t jobs = finished, ns = busy_ns;
	pthread_mutex_unlock(&lock);
	if (jobs == 0)
		return (struct measured){ 0 };
#ifndef NAIVE_7_5
	uint64_t wait_ns = ns > cpu_ns ? ns - cpu_ns : 0;
#else
	/* TODO 7.5 */
	/* The jobs took ns in all, of which cpu_ns on a core. Did they wait? */
	(void)ns;
	uint64_t wait_ns = 0;
#endif
	return (struct measured){ jobs, cpu_ns / jobs / 1000, wait_ns / jobs / 1000 };
}

/* How many threads it takes to keep the cores busy with work that computes for cpu_us and waits for wait_us. */
static long pool_size(uint64_t cpu_us, uint64_t wait_us)
{
#ifndef NAIVE_7_5
	double each = 1 + (double)wait_us / (double)(cpu_us > 0 ? cpu_us : 1);
	double size = (double)cores * each + 0.5; /* to the nearest */

	return size < THREADS_MAX ? (long)size : THREADS_MAX;
#else
	/* TODO 7.5 */
	/* One for each core. */
	(void)cpu_us;
	(void)wait_us;
	return cores;
#endif
}

static void report(struct measured m)
{
	if (m.jobs > 0)
		fprintf(stderr, "pool: threads %ld done %lu cpu_us %lu wait_us %lu\n", workers, m.jobs, m.cpu_us,
			m.wait_us);
}

void pool_report(void)
{
	report(measure());
}

/* Enough has been measured: the pool gets its size. */
static void grow(void)
{
	struct measured m = measure();
	long size = pool_size(m.cpu_us, m.wait_us);

	measuring = false;
	while (workers < size && start_worker())
		; /* where the system has no thread left, those that there are have to do */
	report(m);
}

/* ---- the loop's side ---- */

static long count_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

void pool_start(long size, long queue_max, int fd)
{
	measuring = size == POOL_MEASURE;
	room = queue_max;
	done_fd = fd;
	cores = count_cores();
	struct job *jobs = calloc((size_t)(queue_max + THREADS_MAX), sizeof(*jobs));
	if (!jobs)
		die("cannot make the queue", "Ask for a shorter one with --queue N.");
	for (long i = 0; i < queue_max + THREADS_MAX; i++)
		jobs[i].next = i > 0 ? &jobs[i - 1] : NULL;
	spare = &jobs[queue_max + THREADS_MAX - 1];
	do {
		if (!start_worker())
			die("cannot start a worker", "Ask for fewer with --threads N, or see ulimit -u.");
	} while (workers < size);
}

bool pool_submit(struct conn *c)
{
	struct job *job = spare;

	if (out == room + workers)
		return false;
	spare = job->next;
	*job = (struct job){ .conn = c, .cpu_us = c->cpu_us, .wait_us = c->wait_us };
	out++;
#ifndef NAIVE_7_1
	c->held++; /* if it is closed meanwhile, conn_reap() leaves it */
	pthread_mutex_lock(&lock);
	push(&queue, job);
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&work); /* behind the lock, which whoever wakes wants first */
#else
	/* TODO 7.1 */
	/* Nobody else is there to do it. */
	run(job);
#endif
	return true;
}

struct conn *pool_collect(void)
{
	pthread_mutex_lock(&lock);
	collected = done.first;
	done = (struct jobs){ NULL, &done.first };
	bool enough = finished >= MEASURED_JOBS;
	pthread_mutex_unlock(&lock);
	if (measuring && enough)
		grow();
	return pool_next();
}

struct conn *pool_next(void)
{
	struct job *job = collected;

	if (!job)
		return NULL;
	collected = job->next;
	job->next = spare;
	spare = job;
	out--;
#ifndef NAIVE_7_1
	job->conn->held--;
#else
#endif
	return job->conn;
}
