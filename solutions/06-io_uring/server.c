/*
 * io_uring: not "is it ready?" but "is it done?". Operations are written to a
 * queue that the kernel shares, and completions are read from another. One
 * call submits all operations of a turn and waits for the next completions.
 *
 * Crossings: 1/k a request, where k requests are completed at a wake-up.
 * Needs Linux 6.0 (multishot receive).
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "ring.h"
#include "startup.h"

enum {
	TURN_MAX = 4096, /* completions of a turn; the others come with the next */
	BUFFERS = 128,	 /* receives of a turn; beyond, they fail with ENOBUFS, and are asked for again */
	BUFFER_SIZE = 4096,
};

/* What a completion is about: the low bits of user_data, below the connection's address. */
enum operation { IGNORED, ACCEPT, RECEIVE, SEND, OPERATION_MASK = 3 };

static struct io_uring ring;
static struct ring_buffers buffers = { .count = BUFFERS, .size = BUFFER_SIZE };
static int listen_fd;
static bool accept_paused;
static struct list served; /* what they are owed is sent when all have had their turn */
#ifndef NAIVE_6_5
static struct list starved; /* found no buffer */
#else
#endif

/* An entry of the submission queue, to be filled in: prepared, and then labelled. */
static struct io_uring_sqe *next_sqe(void)
{
#ifndef NAIVE_6_1
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit_and_get_events(&ring); /* the queue is full */
	return sqe;
#else
	/* TODO 6.1 */
	static struct io_uring_sqe nowhere;

	return &nowhere;
#endif
}

/* Says what the operation is, for its completion. Comes last, since preparing an operation clears its flags. */
static void label(struct io_uring_sqe *sqe, struct conn *c, enum operation operation, unsigned flags)
{
#ifndef NAIVE_6_1
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | operation);
	io_uring_sqe_set_flags(sqe, flags);
#else
	/* TODO 6.1 */
	(void)sqe, (void)c, (void)operation, (void)flags;
#endif
#ifndef NAIVE_6_6
	if (c)
		c->held++; /* until its last completion */
#else
#endif
}

#ifndef NAIVE_6_4
/* Asks once for all connections to come, each of which is a completion. */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	label(sqe, NULL, ACCEPT, 0);
	accept_paused = false;
}
#else
/* TODO 6.4 */
/* Asks for the next connection; on_accept() asks again. */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	label(sqe, NULL, ACCEPT, 0);
	accept_paused = false;
}
#endif

/* The kernel finds an operation by its label in a hash table; by its descriptor, it would look through all of them. */
static void cancel(struct conn *c, enum operation operation)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_cancel64(sqe, (uintptr_t)c | operation, 0);
	label(sqe, NULL, IGNORED, IOSQE_CQE_SKIP_SUCCESS);
}

static void conn_close(struct conn *c)
{
	struct io_uring_sqe *sqe;

#ifndef NAIVE_6_6
	/* An operation keeps the connection open, whatever happens to the descriptor: first it must end. */
	if (c->receiving)
		cancel(c, RECEIVE);
	if (c->lent)
		cancel(c, SEND);
#else
	/* TODO 6.6 */
#endif
	sqe = next_sqe();
	io_uring_prep_close(sqe, c->fd);
	label(sqe, NULL, IGNORED, IOSQE_CQE_SKIP_SUCCESS);
	conn_retire(c); /* conn_reap() frees it when nobody holds it */
}

#ifndef NAIVE_6_3
#else
/* TODO 6.3 */
/* The buffer of a connection, for as long as that lives: its descriptor's. */
static char *own_buffer(const struct conn *c)
{
	enum { DESCRIPTORS = 65536 };
	static char *of[DESCRIPTORS];
	char **bytes = &of[c->fd % DESCRIPTORS];

	if (!*bytes)
		*bytes = malloc(BUFFER_SIZE);
	if (!*bytes)
		die("cannot make a buffer", "Is memory short?");
	return *bytes;
}
#endif

/* Asks for bytes, unless it has been asked for. While too much is unsent, asks for no more. */
static void watch(struct conn *c, bool once)
{
	bool wanted = conn_wants_read(c);

	if (!wanted && c->receiving)
		cancel(c, RECEIVE);
	if (wanted && !c->receiving) {
		struct io_uring_sqe *sqe = next_sqe();
#ifndef NAIVE_6_3
		io_uring_prep_recv(sqe, c->fd, NULL, 0, 0); /* the kernel takes a buffer when bytes are there */
		label(sqe, c, RECEIVE, IOSQE_BUFFER_SELECT);
#else
		/* TODO 6.3 */
		io_uring_prep_recv(sqe, c->fd, own_buffer(c), BUFFER_SIZE, 0);
		label(sqe, c, RECEIVE, 0);
		once = true; /* the next bytes would be written over these */
#endif
#ifndef NAIVE_6_4
		if (!once)
			sqe->ioprio |= IORING_RECV_MULTISHOT; /* and goes on so: all bytes to come */
#else
		/* TODO 6.4 */
		(void)once; /* one completion; then watch() asks again */
#endif
		c->receiving = true;
	}
}

/* Sends what the connection is owed, or the rest of it. */
static void start_send(struct conn *c, bool rest)
{
	struct io_uring_sqe *sqe = next_sqe();

#ifndef NAIVE_6_7
	/*
	 * Where the next step is the peer's, nobody needs to hear that all was
	 * sent. So such a send tells only if not: it must not wait, and falls
	 * short at once. The rest of it waits for room, and tells when it is done.
	 */
	c->quiet = !rest && conn_wants_read(c);
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0));
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
#else
	/* TODO 6.7 */
	(void)rest;
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), 0);
	label(sqe, c, SEND, 0);
#endif
#ifndef NAIVE_6_2
	conn_lend(c);
#else
	/* TODO 6.2 */
	/* Submitted at once, the bytes are on their way, and their memory is free for the next reply. */
	io_uring_submit(&ring);
	conn_sent(c, conn_unsent(c));
#endif
}

/* Does what the connection needs, until the next step is the peer's. */
static void serve(struct conn *c, enum verdict verdict)
{
	struct conn *victim;

	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		case CONN_WRITE:
		case CONN_READ:
		case CONN_WAIT:
			list_add(&served, c);
			return;
		case CONN_WORK:
		case CONN_SPIN:
			burn_us(c->cpu_us);
			if (c->wait_us > 0)
				usleep(c->wait_us);
			conn_worked(c);
			break;
		case CONN_KILL:
			victim = conn_victim(c);
			if (victim)
				conn_close(victim);
			break;
		case CONN_CLOSE:
			conn_close(c);
			return;
		}
	}
}

/* A send has ended: all of it is sent, a part, or nothing (result < 0). */
static void on_sent(struct conn *c, int result)
{
#ifndef NAIVE_6_6
	c->held--;
#else
#endif
#ifndef NAIVE_6_7
	c->quiet = false;
#else
#endif
#ifndef NAIVE_6_2
	conn_sent(c, result > 0 ? (size_t)result : 0);
	if (c->fd < 0)
		return;
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		conn_close(c);
	else if (conn_unsent(c) > 0)
		start_send(c, true);
	else
		serve(c, conn_next(c));
#else
	/* TODO 6.2 */
	if (c->fd < 0)
		return;
	if (result < 0)
		conn_close(c);
	else
		serve(c, conn_next(c));
#endif
}

/* A receive has got bytes, the end (0) or an error; with F_MORE it goes on. */
static void on_received(struct conn *c, int result, uint32_t flags)
{
#ifndef NAIVE_6_3
	uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
	const char *bytes = ring_buffer(&buffers, id);
#else
	/* TODO 6.3 */
	const char *bytes = c->fd >= 0 ? own_buffer(c) : NULL;
#endif

#ifndef NAIVE_6_6
	if (!(flags & IORING_CQE_F_MORE))
		c->held--;
#else
#endif
#ifndef NAIVE_6_4
	c->receiving = flags & IORING_CQE_F_MORE;
#else
	/* TODO 6.4 */
	(void)flags;
	c->receiving = false;
#endif
	if (c->fd >= 0) {
		if (result >= 0)
			serve(c, conn_feed(c, bytes, (size_t)result));
		else if (result == -ECANCELED || result == -EINTR)
			list_add(&served, c);
#ifndef NAIVE_6_5
		else if (result == -ENOBUFS)
			list_add(&starved, c); /* but who has had bytes in this turn stands behind, on the other list */
#else
			/* TODO 6.5 */
			/* Any other error is the connection's end. */
#endif
		else
			conn_close(c);
	}
#ifndef NAIVE_6_3
	if (flags & IORING_CQE_F_BUFFER)
		ring_buffer_give(&buffers, id);
#else
#endif
}

static void on_accept(int fd, bool more)
{
	struct conn *c = fd >= 0 ? conn_new(fd) : NULL;

	if (c)
		list_add(&served, c);
	else if (fd >= 0)
		close(fd);
	else
		accept_paused = accept_failed(-fd) != ACCEPT_NEXT;
#ifndef NAIVE_6_4
	if (!more && !accept_paused)
		watch_listener();
#else
	/* TODO 6.4 */
	(void)more;
	if (!accept_paused)
		watch_listener();
#endif
}

static void on_event(const struct io_uring_cqe *cqe)
{
#ifndef NAIVE_6_1
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)OPERATION_MASK);
	enum operation operation = cqe->user_data & OPERATION_MASK;
#else
	/* TODO 6.1 */
	struct conn *c = NULL;
	enum operation operation = IGNORED;
#endif

	if (operation == ACCEPT)
		on_accept(cqe->res, cqe->flags & IORING_CQE_F_MORE);
	else if (operation == RECEIVE)
		on_received(c, cqe->res, cqe->flags);
	else if (operation == SEND)
		on_sent(c, cqe->res);
}

/* One send for all that a connection is owed, however many requests that answers. */
static void end_turn(struct conn *c, bool once)
{
#ifndef NAIVE_6_7
	if (c->quiet) /* no news is good news: it has failed, if ever, while it was submitted */
		on_sent(c, (int)conn_unsent(c));
#else
#endif
	if (c->fd < 0)
		return;
	if (conn_unsent(c) > 0 && !c->lent)
		start_send(c, false);
	watch(c, once);
}

static void end_turns(void)
{
	struct list turn = served;
	struct conn *c;

	served = (struct list){ 0 };
#ifndef NAIVE_6_5
	/*
	 * All buffers are the kernel's again, and it gives them out in the order
	 * of the queue. The first go to those who found none, one each.
	 */
	for (int i = 0; i < BUFFERS && (c = list_take(&starved)); i++)
		end_turn(c, true);
#else
#endif
	while ((c = list_take(&turn)))
		end_turn(c, false);
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	listen_fd = -1;
	accept_paused = false;
	for (struct conn *c = conn_first(); c; c = conn_after(c))
		shutdown(c->fd, SHUT_RD); /* what has arrived is received, and then the end */
}

/* Submits a turn and waits for the next: the completions that are there, and none that come meanwhile. */
static unsigned next_turn(struct io_uring_cqe **cqes, int timeout_ms)
{
#ifndef NAIVE_6_1
	struct __kernel_timespec timeout = { .tv_nsec = timeout_ms * 1000000L };

	do
		ring_check(io_uring_submit_and_wait_timeout(&ring, cqes, 1, timeout_ms < 0 ? NULL : &timeout, NULL));
	while (io_uring_sq_ready(&ring) > 0);
	return io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
#else
	/* TODO 6.1 */
	(void)cqes, (void)timeout_ms;
	pause(); /* nothing is submitted, so there is nothing to wait for but a signal */
	return 0;
#endif
}

static void event_loop(void)
{
	static struct io_uring_cqe *cqes[TURN_MAX];

	while (listen_fd >= 0 || conn_first()) {
#ifndef NAIVE_6_5
		int timeout_ms = starved.first ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1;
#else
		/* TODO 6.5 */
		int timeout_ms = accept_paused ? ACCEPT_RETRY_MS : -1;
#endif
		unsigned n = next_turn(cqes, timeout_ms);
		if (accept_paused)
			watch_listener();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
#ifndef NAIVE_6_7
		if (!io_uring_cq_has_overflow(&ring)) /* else there is more news yet, bad news perhaps */
			end_turns();
#else
		end_turns();
#endif
		conn_reap();
		if (stopping && accept_paused)
			drain();
	}
}

int main(int argc, char **argv)
{
	const char *kind;

	read_options(argc, argv, ring_options);
	kind = ring_make(&ring, ring_kinds + ring_first_kind, (unsigned)ring_entries, 4 * (unsigned)ring_entries);
	ring_buffers_make(&buffers, &ring);
	listen_fd = listen_socket(argc, argv, 0, NULL);
	fprintf(stderr, "io_uring: %s\n", kind);
	watch_listener();
	event_loop();
	return 0;
}
