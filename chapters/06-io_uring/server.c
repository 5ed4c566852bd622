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

/* An entry of the submission queue, to be filled in: prepared, and then labelled. */
static struct io_uring_sqe *next_sqe(void)
{
	/* TODO 6.1: Submit, don't call */
	static struct io_uring_sqe nowhere;

	return &nowhere;
}

/* Says what the operation is, for its completion. Comes last, since preparing an operation clears its flags. */
static void label(struct io_uring_sqe *sqe, struct conn *c, enum operation operation, unsigned flags)
{
	/* TODO 6.1, continued */
	(void)sqe, (void)c, (void)operation, (void)flags;
}

/* TODO 6.4: Ask once, hear many times */
/* Asks for the next connection; on_accept() asks again. */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	label(sqe, NULL, ACCEPT, 0);
	accept_paused = false;
}

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

	/* TODO 6.6: Close is a conversation */
	sqe = next_sqe();
	io_uring_prep_close(sqe, c->fd);
	label(sqe, NULL, IGNORED, IOSQE_CQE_SKIP_SUCCESS);
	conn_retire(c); /* conn_reap() frees it when nobody holds it */
}

/* TODO 6.3: Let the kernel choose the buffer */
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

/* Asks for bytes, unless it has been asked for. While too much is unsent, asks for no more. */
static void watch(struct conn *c, bool once)
{
	bool wanted = conn_wants_read(c);

	if (!wanted && c->receiving)
		cancel(c, RECEIVE);
	if (wanted && !c->receiving) {
		struct io_uring_sqe *sqe = next_sqe();
		/* TODO 6.3, continued */
		io_uring_prep_recv(sqe, c->fd, own_buffer(c), BUFFER_SIZE, 0);
		label(sqe, c, RECEIVE, 0);
		once = true; /* the next bytes would be written over these */
		/* TODO 6.4, continued */
		(void)once; /* one completion; then watch() asks again */
		c->receiving = true;
	}
}

/* Sends what the connection is owed, or the rest of it. */
static void start_send(struct conn *c, bool rest)
{
	struct io_uring_sqe *sqe = next_sqe();

	/* TODO 6.7: Nothing to say, nothing to submit */
	(void)rest;
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), 0);
	label(sqe, c, SEND, 0);
	/* TODO 6.2: Lent until the completion */
	/* Submitted at once, the bytes are on their way, and their memory is free for the next reply. */
	io_uring_submit(&ring);
	conn_sent(c, conn_unsent(c));
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
	/* TODO 6.2, continued */
	if (c->fd < 0)
		return;
	if (result < 0)
		conn_close(c);
	else
		serve(c, conn_next(c));
}

/* A receive has got bytes, the end (0) or an error; with F_MORE it goes on. */
static void on_received(struct conn *c, int result, uint32_t flags)
{
	/* TODO 6.3, continued */
	const char *bytes = c->fd >= 0 ? own_buffer(c) : NULL;

	/* TODO 6.4, continued */
	(void)flags;
	c->receiving = false;
	if (c->fd >= 0) {
		if (result >= 0)
			serve(c, conn_feed(c, bytes, (size_t)result));
		else if (result == -ECANCELED || result == -EINTR)
			list_add(&served, c);
			/* TODO 6.5: Starve nobody */
			/* Any other error is the connection's end. */
		else
			conn_close(c);
	}
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
	/* TODO 6.4, continued */
	(void)more;
	if (!accept_paused)
		watch_listener();
}

static void on_event(const struct io_uring_cqe *cqe)
{
	/* TODO 6.1, continued */
	struct conn *c = NULL;
	enum operation operation = IGNORED;

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
	/* TODO 6.1, continued */
	(void)cqes, (void)timeout_ms;
	pause(); /* nothing is submitted, so there is nothing to wait for but a signal */
	return 0;
}

static void event_loop(void)
{
	static struct io_uring_cqe *cqes[TURN_MAX];

	while (listen_fd >= 0 || conn_first()) {
		/* TODO 6.5, continued */
		int timeout_ms = accept_paused ? ACCEPT_RETRY_MS : -1;
		unsigned n = next_turn(cqes, timeout_ms);
		if (accept_paused)
			watch_listener();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
		end_turns();
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
