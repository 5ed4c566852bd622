/*
 * async: who does the work of an io_uring operation, and when? A batch of each
 * kind is submitted, and its completions are counted at three moments:
 *
 *	inline		there when io_uring_enter returns that submitted it
 *	task work	there after a later entry, done by this thread
 *	worker		there later, and the kernel had made threads for it (iou-wrk)
 *
 * The ring is DEFER_TASKRUN's, on which nothing is done between two entries.
 * Each kind has a process of its own, since worker threads outlive their work.
 *
 * Exit status: 0 done, 1 failed, 2 usage, 77 skipped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"
#include "tool.h"

enum { BATCH = 64, SIZE = 512 };

static struct io_uring ring;
static int pairs[BATCH][2], file;
static char bytes[BATCH][SIZE];

static void send_one(struct io_uring_sqe *sqe, int i)
{
	io_uring_prep_send(sqe, pairs[i][0], bytes[i], SIZE, 0);
}

static void receive_one(struct io_uring_sqe *sqe, int i)
{
	io_uring_prep_recv(sqe, pairs[i][0], bytes[i], SIZE, 0);
}

static void receive_elsewhere(struct io_uring_sqe *sqe, int i)
{
	receive_one(sqe, i);
	sqe->flags |= IOSQE_ASYNC;
}

static void read_one(struct io_uring_sqe *sqe, int i)
{
	io_uring_prep_read(sqe, file, bytes[i], SIZE, (unsigned)i * SIZE);
}

static void sync_one(struct io_uring_sqe *sqe, int i)
{
	(void)i;
	io_uring_prep_fsync(sqe, file, 0);
}

static const struct kind {
	const char *name;
	void (*prepare)(struct io_uring_sqe *sqe, int i);
	enum { NO_BYTES, BYTES_THERE, BYTES_LATER } when;
} kinds[] = {
	{ "send, the socket has room", send_one, NO_BYTES },
	{ "receive, the bytes are there", receive_one, BYTES_THERE },
	{ "receive, the bytes come later", receive_one, BYTES_LATER },
	{ "the same, with IOSQE_ASYNC", receive_elsewhere, BYTES_LATER },
	{ "read of a file that is cached", read_one, NO_BYTES },
	{ "fsync of a file", sync_one, NO_BYTES },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct result {
	unsigned inline_, task_work, worker, threads;
};

/* Threads that the kernel runs for this process. */
static unsigned worker_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned count = 0;
	char path[300], name[32];

	for (const struct dirent *entry; tasks && (entry = readdir(tasks));) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *comm = fopen(path, "re");
		if (comm && fgets(name, sizeof(name), comm))
			count += strncmp(name, "iou-wrk", 7) == 0;
		if (comm)
			fclose(comm);
	}
	if (tasks)
		closedir(tasks);
	return count;
}

static void make_files(void)
{
	static const char zeros[BATCH * SIZE];

	file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0 || write(file, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
		probe_fail("no file can be made here: %s", strerror(errno));
	for (int i = 0; i < BATCH; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]))
			probe_fail("no sockets: %s", strerror(errno));
}

static void bytes_arrive(void)
{
	for (int i = 0; i < BATCH; i++)
		if (write(pairs[i][1], bytes[i], SIZE) != SIZE)
			probe_fail("the bytes do not fit their sockets");
}

/* Takes the completions that are there. */
static unsigned take(void)
{
	struct io_uring_cqe *cqes[BATCH];
	unsigned count = io_uring_peek_batch_cqe(&ring, cqes, BATCH);

	for (unsigned i = 0; i < count; i++)
		if (cqes[i]->res < 0)
			probe_fail("an operation failed: %s", strerror(-cqes[i]->res));
	io_uring_cq_advance(&ring, count);
	return count;
}

static struct result measure(const struct kind *kind)
{
	struct __kernel_timespec bound = { .tv_sec = 3 };
	struct io_uring_cqe *cqe;
	struct result r = { 0 };
	unsigned later = 0;

	make_files();
	if (kind->when == BYTES_THERE)
		bytes_arrive();
	for (int i = 0; i < BATCH; i++)
		kind->prepare(io_uring_get_sqe(&ring), i);
	if (io_uring_submit(&ring) != BATCH)
		probe_fail("not all of a batch was submitted");
	while (io_uring_cq_ready(&ring) > 0)
		r.inline_ += take();
	if (kind->when == BYTES_LATER)
		bytes_arrive();
	while (r.inline_ + later < BATCH) {
		if (io_uring_wait_cqe_timeout(&ring, &cqe, &bound))
			probe_fail("%s: %u of %d completions never came", kind->name, BATCH - r.inline_ - later, BATCH);
		r.threads = r.threads > worker_threads() ? r.threads : worker_threads();
		later += take();
	}
	if (r.threads > 0)
		r.worker = later;
	else
		r.task_work = later;
	return r;
}

static struct result measure_apart(const struct kind *kind)
{
	struct result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 1;
	pid_t pid;

	if (shared == MAP_FAILED)
		probe_fail("no memory");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (io_uring_queue_init(BATCH, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN))
			probe_fail("the ring was refused");
		*shared = measure(kind);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		exit(TOOL_FAILED);
	return *shared;
}

/* Where there is no such ring, there is nothing to measure. */
static void need_ring(void)
{
	int error = -io_uring_queue_init(BATCH, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (error)
		probe_skip("no DEFER_TASKRUN ring (Linux 6.1) is to be had here: %s", strerror(error));
	io_uring_queue_exit(&ring);
}

int main(int argc, char **argv)
{
	const char *tsv = argc == 3 && strcmp(argv[1], "--tsv") == 0 ? argv[2] : NULL;
	FILE *to;

	if (argc > 1 && !tsv) {
		fprintf(stderr, "usage: async [--tsv FILE]\n");
		return TOOL_USAGE;
	}
	probe_handle_signals();
	need_ring();
	to = tsv ? results_open(tsv, false, NULL, "operation\tinline\ttask_work\tworker\tthreads") : NULL;
	printf("  %-32s %8s %10s %8s %8s\n", "a batch of 64", "inline", "task work", "worker", "threads");
	for (int i = 0; i < KINDS; i++) {
		struct result r = measure_apart(&kinds[i]);
		printf("  %-32s %8u %10u %8u %8u\n", kinds[i].name, r.inline_, r.task_work, r.worker, r.threads);
		if (to)
			fprintf(to, "%s\t%u\t%u\t%u\t%u\n", kinds[i].name, r.inline_, r.task_work, r.worker, r.threads);
	}
	if (to && fclose(to))
		probe_fail("%s can't be written", tsv);
	return TOOL_DONE;
}
