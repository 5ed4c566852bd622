/*
 * chain: a request served by operations that are linked beforehand: accept,
 * receive, send; one submission. And what becomes of the send when less
 * arrives than was asked for, with MSG_WAITALL on the receive and without.
 *
 * Prints "WHAT<tab>ACCEPT<tab>RECEIVE<tab>SEND<tab>REPLY" for each, the results
 * as the kernel gave them and what the client got. Exit: 0, 1 failed, 77 no io_uring.
 */
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALE "secret of another client"

enum { ACCEPT, RECEIVE, SEND, STEPS, ASKED = 6, SLOT = 0, BOUND_S = 2 };

static struct io_uring ring;

static noreturn void leave(int status, const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	exit(status);
}

static int listen_on(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)address, size) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)address, &size))
		leave(1, "no listener", errno);
	return fd;
}

/* The file that accept puts into the slot is looked up only when the next operation begins. */
static void submit_chain(int listener, char *buffer, int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_accept_direct(sqe, listener, NULL, NULL, 0, SLOT);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = ACCEPT;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_recv(sqe, SLOT, buffer, ASKED, flags);
	sqe->flags |= IOSQE_IO_LINK | IOSQE_FIXED_FILE;
	sqe->user_data = RECEIVE;
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_send(sqe, SLOT, buffer, ASKED, MSG_NOSIGNAL); /* an echo: its size is a guess */
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = SEND;
	io_uring_submit(&ring);
}

static int connect_to(const struct sockaddr_in *address)
{
	struct timeval bound = { .tv_sec = BOUND_S };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		leave(1, "no connection", errno);
	return fd;
}

static void collect(int results[STEPS])
{
	struct __kernel_timespec bound = { .tv_sec = BOUND_S };
	struct io_uring_cqe *cqe;

	for (int i = 0; i < STEPS; i++) {
		int error = -io_uring_wait_cqe_timeout(&ring, &cqe, &bound);

		if (error)
			leave(1, "a completion did not come", error);
		results[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
}

/* The client sends `request` and then its end. */
static void try_chain(const char *what, const char *request, int flags)
{
	char buffer[64] = STALE, reply[64] = "";
	struct sockaddr_in address;
	int results[STEPS], listener = listen_on(&address), client;
	ssize_t n;

	submit_chain(listener, buffer, flags);
	client = connect_to(&address);
	if (send(client, request, strlen(request), 0) < 0)
		leave(1, "no request could be sent", errno);
	shutdown(client, SHUT_WR);
	collect(results);
	n = results[SEND] > 0 ? recv(client, reply, sizeof(reply) - 1, 0) : 0;
	printf("%s\t%d\t%d\t%d\t", what, results[ACCEPT], results[RECEIVE], results[SEND]);
	for (ssize_t i = 0; i < n; i++)
		putchar(reply[i] == '\r' || reply[i] == '\n' ? '.' : reply[i]);
	putchar('\n');
	close(client);
	close(listener);
}

int main(void)
{
	int error = -io_uring_queue_init(8, &ring, 0);

	if (error)
		leave(77, "no io_uring here", error);
	error = -io_uring_register_files_sparse(&ring, 1);
	if (error)
		leave(77, "no table of descriptors", error);
	try_chain("whole", "PING\r\n", 0);
	try_chain("short", "PI", 0);
	try_chain("short, waiting for all", "PI", MSG_WAITALL);
	return 0;
}
