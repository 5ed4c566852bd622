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
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "ring.h"
#include "startup.h"

enum {
	SUBMISSIONS = 1024, /* operations of a turn; beyond, some are submitted early, by a call of their own */
	COMPLETIONS = 4096, /* of a turn; beyond, the kernel keeps them until there is room */
	BUFFERS = 128,	    /* receives of a turn; beyond, they fail with ENOBUFS, and are asked for again */
	BUFFER_SIZE = 4096,
};

/* What a completion is about: the low bits of user_data, below the connection's address. */
enum operation { IGNORED, ACCEPT, RECEIVE, SEND, OPERATION_MASK = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring; /* the buffers that the kernel may fill */
static char buffers[BUFFERS][BUFFER_SIZE];
static int listen_fd;
static bool accept_paused;

/* First come, first served. A connection stands on one list at most. */
struct list {
	struct conn *first, **end;
};
static struct list served = { .end = &served.first }; /* had a turn: what it is owed is sent when all have had theirs */
static struct list trusted = { .end = &trusted.first }; /* was sent it: all of it, if no completion says otherwise */
static struct list starved = { .end = &starved.first }; /* found no buffer */

static void enlist(struct list *list, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->link = NULL;
	*list->end = c;
	list->end = &c->link;
}

static struct conn *take_first(struct list *list)
{
	struct conn *c = list->first;

	if (!c)
		return NULL;
	c->queued = false;
	list->first = c->link;
	if (!list->first)
		list->end = &list->first;
	return c;
}

static void give_buffer(uint32_t id)
{
	io_uring_buf_ring_add(buffer_ring, buffers[id], BUFFER_SIZE, (uint16_t)id, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit_and_get_events(&ring); /* the queue is full */
	return sqe;
}

static void label(struct io_uring_sqe *sqe, struct conn *c, enum operation operation, unsigned flags)
{
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | operation);
	sqe->flags |= (uint8_t)flags;
}

/* Asks once for all connections to come, each of which is a completion. */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
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

/* The kernel starts operations in the order of the queue: what is in flight ends before the descriptor is closed. */
static void conn_close(struct conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->receiving)
		cancel(c, RECEIVE);
	if (c->lent)
		cancel(c, SEND);
	sqe = next_sqe();
	io_uring_prep_close(sqe, c->fd);
	label(sqe, NULL, IGNORED, IOSQE_CQE_SKIP_SUCCESS);
	c->fd = -1;
}

/* A closed connection lives on until the last completion that names it, cancelled or not. */
static void release(struct conn *c)
{
	if (c->fd < 0 && !c->receiving && !c->lent && !c->queued)
		conn_retire(c);
}

/* Asks once for all bytes to come, or for one buffer of them; or, while too much is unsent, for no more. */
static void watch(struct conn *c, bool one)
{
	bool wanted = conn_wants_read(c);

	if (wanted && !c->receiving) {
		struct io_uring_sqe *sqe = next_sqe();
		if (one)
			io_uring_prep_recv(sqe, c->fd, NULL, 0, 0);
		else
			io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
		label(sqe, c, RECEIVE, IOSQE_BUFFER_SELECT);
		c->receiving = true;
	} else if (!wanted && c->receiving && !c->cancelled) {
		cancel(c, RECEIVE);
		c->cancelled = true;
	}
}

/*
 * Where the next step is the peer's, nobody needs to hear that all was sent.
 * So such a send tells only if not: it must not wait, and falls short at once.
 * The rest of it waits for room, and tells when it is done.
 */
static void start_send(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();
	bool quiet = !c->stuck && conn_wants_read(c);

	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (quiet ? MSG_DONTWAIT : 0));
	label(sqe, c, SEND, quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	conn_lend(c);
	if (quiet)
		enlist(&trusted, c);
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
			enlist(&served, c);
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

static void on_sent(struct conn *c, int result)
{
	conn_sent(c, result > 0 ? (size_t)result : 0);
	c->stuck = conn_unsent(c) > 0;
	if (c->fd >= 0) {
		if (result >= 0 || result == -EAGAIN || result == -EINTR)
			serve(c, conn_next(c));
		else
			conn_close(c);
	}
	release(c);
}

static void on_received(struct conn *c, int result, uint32_t flags)
{
	uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;

	if (!(flags & IORING_CQE_F_MORE))
		c->receiving = c->cancelled = false;
	if (c->fd >= 0) {
		if (result >= 0)
			serve(c, conn_feed(c, buffers[id], (size_t)result));
		else if (result == -ENOBUFS || result == -ECANCELED || result == -EINTR)
			enlist(&starved, c); /* but who has had bytes in this turn stands behind, on the other list */
		else
			conn_close(c);
	}
	if (flags & IORING_CQE_F_BUFFER)
		give_buffer(id);
	release(c);
}

static void on_accept(int fd, bool more)
{
	struct conn *c;

	if (fd < 0) {
		accept_paused = accept_failed(-fd) != ACCEPT_NEXT;
	} else {
		c = conn_new(fd);
		if (c)
			watch(c, false);
		else
			close(fd);
	}
	if (!more && !accept_paused)
		watch_listener();
}

static enum operation operation_of(const struct io_uring_cqe *cqe)
{
	return cqe->user_data & OPERATION_MASK;
}

static struct conn *conn_of(const struct io_uring_cqe *cqe)
{
	return (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)OPERATION_MASK);
}

static void on_event(const struct io_uring_cqe *cqe)
{
	if (operation_of(cqe) == RECEIVE)
		on_received(conn_of(cqe), cqe->res, cqe->flags);
	else if (operation_of(cqe) == ACCEPT)
		on_accept(cqe->res, cqe->flags & IORING_CQE_F_MORE);
}

/*
 * No news is good news: a send that must not wait has failed, if ever, while
 * it was submitted. False until all of the queue is submitted and all news here.
 */
static bool confirm_sends(void)
{
	struct conn *c;

	if (io_uring_sq_ready(&ring) > 0 || io_uring_cq_has_overflow(&ring))
		return false;
	while ((c = take_first(&trusted))) {
		if (c->lent)
			conn_sent(c, conn_unsent(c));
		if (c->fd >= 0)
			serve(c, conn_next(c));
		release(c);
	}
	return true;
}

/* One send for all that a connection is owed, however many requests that answers. */
static void end_turn(struct conn *c, bool starving)
{
	if (c->fd >= 0) {
		if (conn_unsent(c) > 0 && !c->lent)
			start_send(c);
		watch(c, starving);
	}
	release(c);
}

/*
 * All buffers are the kernel's again, and it gives them out in the order of
 * the queue. The first go to those who found none, one each.
 */
static void end_turns(void)
{
	struct conn *c;

	for (int i = 0; i < BUFFERS && (c = take_first(&starved)); i++)
		end_turn(c, true);
	while ((c = take_first(&served)))
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
	struct __kernel_timespec timeout = { .tv_nsec = timeout_ms * 1000000L };
	int result = io_uring_submit_and_wait_timeout(&ring, cqes, 1, timeout_ms < 0 ? NULL : &timeout, NULL);

	if (result < 0 && result != -EINTR && result != -ETIME && result != -EAGAIN && result != -EBUSY) {
		errno = -result;
		die("cannot wait for completions", "See io_uring_enter(2).");
	}
	return io_uring_peek_batch_cqe(&ring, cqes, COMPLETIONS);
}

static void event_loop(void)
{
	static struct io_uring_cqe *cqes[COMPLETIONS];
	bool confirmed = true;

	while (listen_fd >= 0 || conn_first()) {
		unsigned n = next_turn(cqes, starved.first || !confirmed ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1);
		if (accept_paused)
			watch_listener();
		for (unsigned i = 0; i < n; i++)
			if (operation_of(cqes[i]) == SEND)
				on_sent(conn_of(cqes[i]), cqes[i]->res);
		confirmed = confirm_sends();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
		end_turns();
		conn_reap();
		if (stopping && accept_paused)
			drain();
	}
}

static void give_buffers(void)
{
	static struct io_uring_buf slots[BUFFERS]
		__attribute__((aligned(4096))); /* on pages that the kernel maps, too */
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)slots, .ring_entries = BUFFERS };

	errno = -io_uring_register_buf_ring(&ring, &reg, 0);
	if (errno)
		die("cannot share buffers with the kernel", ring_hint(errno));
	buffer_ring = (struct io_uring_buf_ring *)slots;
	for (uint32_t id = 0; id < BUFFERS; id++)
		give_buffer(id);
}

int main(int argc, char **argv)
{
	/* When a socket turns ready, there is work left to do ("task work"). The kernel does it: */
	static const struct ring_kind kinds[] = {
		{ "DEFER_TASKRUN", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN }, /* in our wait (6.1) */
		{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN }, /* in any of our calls (5.19) */
		{ "plain", 0 },				       /* at once, and interrupts us for it */
		{ 0 },
	};
	const char *kind = ring_make(&ring, kinds, SUBMISSIONS, COMPLETIONS);

	give_buffers();
	listen_fd = listen_socket(argc, argv, 0, NULL);
	fprintf(stderr, "io_uring: %s\n", kind);
	watch_listener();
	event_loop();
	return 0;
}
