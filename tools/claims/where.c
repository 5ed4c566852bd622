/*
 * where: at what moment io_uring does its work, and who does it. On a ring with
 * DEFER_TASKRUN the moments can be told apart: what is done while an operation
 * is submitted has its completion when the call returns; what is left until a
 * socket is ready becomes task work, which our own thread does when it enters
 * the kernel again; what can't be tried without waiting goes to a worker thread.
 *
 * Prints "OPERATION<tab>inline|task work|worker" a line. Exit: 0, 1 failed, 77 refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BOUND_S = 2, TRIES = 2000, TRY_US = 1000 };

static struct io_uring ring;
static char byte;

static noreturn void leave(int status, const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(status);
}

static void make_ring(void)
{
	int error = -io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

	if (error)
		leave(77, "no io_uring with DEFER_TASKRUN (Linux 6.1)", error);
}

/* io_uring's worker threads are named iou-wrk-PID, and are threads of ours. */
static bool worker_exists(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	bool found = false;

	while (tasks && (entry = readdir(tasks))) {
		char path[300], name[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "re");
		if (!file)
			continue;
		found |= fgets(name, sizeof(name), file) && strncmp(name, "iou-wrk", 7) == 0;
		fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return found;
}

static bool await_worker(void)
{
	for (int i = 0; i < TRIES; i++) {
		if (worker_exists())
			return true;
		usleep(TRY_US);
	}
	return false;
}

static void reap(void)
{
	struct __kernel_timespec bound = { .tv_sec = BOUND_S };
	struct io_uring_cqe *cqe;
	int error = -io_uring_wait_cqe_timeout(&ring, &cqe, &bound);

	if (error)
		leave(1, "a completion did not come", error);
	io_uring_cqe_seen(&ring, cqe);
}

/* A receive from a socket that holds a byte, or holds none until we have submitted it. */
static void try_receive(const char *name, bool ready, bool forced)
{
	int pair[2];
	const char *where = "inline";

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || (ready && write(pair[1], "x", 1) != 1))
		leave(1, "no pair of sockets", errno);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv(sqe, pair[0], &byte, 1, 0);
	sqe->flags |= forced ? IOSQE_ASYNC : 0;
	io_uring_submit(&ring);
	if (io_uring_cq_ready(&ring) == 0) {
		where = forced && await_worker() ? "worker" : "task work";
		if (!ready && write(pair[1], "x", 1) != 1)
			leave(1, "no byte could be sent", errno);
		if (!forced && io_uring_cq_ready(&ring) > 0)
			where = "by itself"; /* completed although we have not entered the kernel for it */
	}
	reap();
	printf("%s\t%s\n", name, where);
	close(pair[0]);
	close(pair[1]);
}

static void try_send(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		leave(1, "no pair of sockets", errno);
	io_uring_prep_send(io_uring_get_sqe(&ring), pair[0], "x", 1, 0);
	io_uring_submit(&ring);
	printf("send with room in the socket\t%s\n", io_uring_cq_ready(&ring) ? "inline" : "later");
	reap();
	close(pair[0]);
	close(pair[1]);
}

/* A sync can't be tried without waiting. */
static void try_sync(void)
{
	FILE *file = tmpfile();

	if (!file)
		leave(1, "no temporary file", errno);
	fputs("x", file);
	fflush(file);
	io_uring_prep_fsync(io_uring_get_sqe(&ring), fileno(file), 0);
	io_uring_submit(&ring);
	printf("fsync of a file\t%s\n", io_uring_cq_ready(&ring) ? "inline" : await_worker() ? "worker" : "later");
	reap();
	fclose(file);
}

static void try_sockets(void)
{
	try_receive("receive of bytes that are there", true, false);
	try_send();
	try_receive("receive of bytes that come later", false, false);
	if (worker_exists())
		leave(1, "a worker was there before it was needed", 0);
}

static void try_forced(void)
{
	try_receive("receive with IOSQE_ASYNC", false, true);
}

/* Each in a process of its own: a worker that has nothing to do stays for a while. */
int main(void)
{
	void (*const tries[])(void) = { try_sockets, try_sync, try_forced };
	int status = 0;

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		if (fork() == 0) {
			make_ring();
			tries[i]();
			exit(0);
		}
		if (wait(&status) < 0 || status != 0)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	return 0;
}
