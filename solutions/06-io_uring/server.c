/*
 * io_uring: not "is it ready?" but "is it done?". Operations are written to a
 * queue that the kernel shares, completions are read from another. One call
 * submits all of a turn and waits for the next; nothing else crosses.
 *
 * Crossings: 1/k a request, where k completions are taken up in a turn.
 * Needs Linux 6.0 (multishot receive); 6.1 to defer task work.
 */
#include <errno.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

enum {
	SUBMISSIONS = 1024, /* operations of a turn; beyond, they are submitted early */
	COMPLETIONS = 4096, /* room in the ring; beyond, the kernel keeps them aside until there is some */
	BUFFERS = 512,	    /* receives that may complete in a turn; the others fail with ENOBUFS and are tried again */
	BUFFER_SIZE = 4096,
};

/* What completed: in the low bits of user_data, beside the connection. */
enum operation { UNTOLD, ACCEPT, RECEIVE, SEND, OPERATION_BITS = 3 };

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring; /* the buffers that the kernel may receive into */
static char buffers[BUFFERS][BUFFER_SIZE];
static int listen_fd;
static bool accept_paused;
static struct conn *served;  /* had a turn: what it is owed is sent when all have had theirs */
static struct conn *trusted; /* the kernel took its replies whole, if no completion says otherwise */

/* Gives a buffer to the kernel. */
static void give_buffer(uint32_t id)
{
	io_uring_buf_ring_add(buffer_ring, buffers[id], BUFFER_SIZE, (uint16_t)id, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

static struct io_uring_sqe *next_sqe(struct conn *c, enum operation operation)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring); /* the queue is full: one crossing more */
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | operation);
	return sqe;
}

/* Asks once to be told of every connection, until a completion says that there are no more. */
static void watch_listener(void)
{
	accept_paused = false;
	io_uring_prep_multishot_accept(next_sqe(NULL, ACCEPT), listen_fd, NULL, NULL, SOCK_CLOEXEC);
}

/* What is in flight is cancelled, then the descriptor closed: the kernel starts operations in the order of the queue. */
static void conn_close(struct conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->receiving || c->lent) {
		sqe = next_sqe(NULL, UNTOLD);
		io_uring_prep_cancel_fd(sqe, c->fd, IORING_ASYNC_CANCEL_ALL);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	sqe = next_sqe(NULL, UNTOLD);
	io_uring_prep_close(sqe, c->fd);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	c->fd = -1;
}

/* The last completion of a closed connection has come: nothing points to it but this turn. */
static void release(struct conn *c)
{
	if (c->fd < 0 && !c->receiving && !c->lent && !c->queued)
		conn_retire(c);
}

/* Asks once to be told of all bytes that arrive; or, while too much is unsent, to be told no more. */
static void watch(struct conn *c)
{
	bool wanted = conn_wants_read(c);
	struct io_uring_sqe *sqe;

	if (wanted && !c->receiving) {
		sqe = next_sqe(c, RECEIVE);
		io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		c->receiving = true;
	} else if (!wanted && c->receiving && !c->cancelled) {
		sqe = next_sqe(NULL, UNTOLD);
		io_uring_prep_cancel64(sqe, (uintptr_t)c | RECEIVE, 0);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
		c->cancelled = true;
	}
}

static void enlist(struct conn **list, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->link = *list;
	*list = c;
}

/*
 * A quiet send never waits, and completes in silence if the kernel takes all
 * of it at once. The others wait for room, and tell when they are done.
 */
static void start_send(struct conn *c, bool quiet)
{
	struct io_uring_sqe *sqe = next_sqe(c, SEND);

	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (quiet ? MSG_DONTWAIT : 0));
	sqe->flags |= quiet ? IOSQE_CQE_SKIP_SUCCESS : 0;
	c->quiet = quiet;
	if (quiet)
		enlist(&trusted, c);
	conn_lend(c);
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

/* A quiet send that was taken whole does not come here: see confirm(). */
static void on_sent(struct conn *c, int result)
{
	c->quiet = false;
	conn_sent(c, result > 0 ? (size_t)result : 0);
	if (c->fd >= 0) {
		if (result < 0 && result != -EAGAIN && result != -EINTR)
			conn_close(c);
		else if (conn_unsent(c) > 0)
			start_send(c, false);
		else
			serve(c, conn_next(c));
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
		else if (result != -ENOBUFS && result != -ECANCELED && result != -EINTR)
			conn_close(c);
		else if (!c->queued) /* who got bytes in this turn must not be first at the buffers again */
			watch(c);
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
			watch(c);
		else
			close(fd);
	}
	if (!more && !accept_paused)
		watch_listener();
}

static void on_event(const struct io_uring_cqe *cqe, bool sends)
{
	enum operation operation = cqe->user_data & OPERATION_BITS;
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)OPERATION_BITS);

	if (sends != (operation == SEND))
		return;
	if (operation == SEND)
		on_sent(c, cqe->res);
	else if (operation == RECEIVE)
		on_received(c, cqe->res, cqe->flags);
	else if (operation == ACCEPT)
		on_accept(cqe->res, cqe->flags & IORING_CQE_F_MORE);
}

/*
 * A quiet send tells of failure while it is submitted. So once all of the queue
 * is submitted and all completions are seen, no news is good news. False until then.
 */
static bool confirm(void)
{
	struct conn *c = trusted, *next;

	if (io_uring_sq_ready(&ring) > 0 || io_uring_cq_has_overflow(&ring))
		return false;
	for (trusted = NULL; c; c = next) {
		next = c->link;
		c->queued = false;
		if (c->quiet) {
			c->quiet = false;
			conn_sent(c, conn_unsent(c));
		}
		if (c->fd >= 0)
			serve(c, conn_next(c));
		release(c);
	}
	return true;
}

/* One send for all that a connection is owed. It may be quiet where the next step is the peer's. */
static void end_turns(void)
{
	struct conn *c = served, *next;

	for (served = NULL; c; c = next) {
		next = c->link;
		c->queued = false;
		if (c->fd >= 0 && conn_unsent(c) > 0 && !c->lent)
			start_send(c, conn_wants_read(c));
		if (c->fd >= 0)
			watch(c);
		release(c);
	}
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	listen_fd = -1;
	accept_paused = false;
	for (struct conn *c = conn_first(); c; c = conn_after(c))
		shutdown(c->fd, SHUT_RD); /* what has arrived is received yet, and then the end */
}

/* Submits a turn, and waits for the next: the completions that are there, and no later ones. */
static unsigned turn(struct io_uring_cqe **cqes, unsigned wanted)
{
	struct __kernel_timespec retry = { .tv_nsec = ACCEPT_RETRY_MS * 1000000L };
	int result = io_uring_submit_and_wait_timeout(&ring, cqes, wanted, accept_paused ? &retry : NULL, NULL);

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
		unsigned n = turn(cqes, confirmed ? 1 : 0);
		if (accept_paused)
			watch_listener();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i], true);
		confirmed = confirm();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i], false);
		io_uring_cq_advance(&ring, n);
		end_turns();
		conn_reap();
		if (stopping && accept_paused)
			drain();
	}
}

/* Gives all buffers to the kernel; −EINVAL where it is too old to take them, or has no multishot receive. */
static int give_buffers(void)
{
	static struct io_uring_buf slots[BUFFERS] __attribute__((aligned(4096)));
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)slots, .ring_entries = BUFFERS };
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring);
	int result = io_uring_register_buf_ring(&ring, &reg, 0);

	if (!probe || !io_uring_opcode_supported(probe, IORING_OP_SEND_ZC)) /* came with the multishot receive */
		result = -EINVAL;
	io_uring_free_probe(probe);
	buffer_ring = (struct io_uring_buf_ring *)slots;
	for (uint32_t id = 0; id < BUFFERS; id++)
		give_buffer(id);
	return result;
}

/* Why the kernel refuses, and what to do. */
static const char *refusal(int error)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int disabled = file ? fgetc(file) : '0';

	switch (error) {
	case ENOSYS:
		return "This kernel has no io_uring, or a sandbox hides it: run on Linux 6.0 or later, outside.";
	case EPERM:
		return disabled == '2'	 ? "It is disabled: sysctl kernel.io_uring_disabled=0 allows it."
		       : disabled == '1' ? "It is kept to a group: see sysctl kernel.io_uring_group."
					 : "A seccomp filter forbids it, as containers have by default: run outside.";
	case EINVAL:
		return "This kernel is too old: Linux 6.0 or later is needed.";
	default:
		return "See io_uring_setup(2).";
	}
}

/* Returns how the kernel runs what is left to do when a socket is ready ("task work"), the cheapest way that it has. */
static const char *make_ring(void)
{
	static const struct {
		unsigned flags;
		const char *name;
	} ways[] = {
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "DEFER_TASKRUN: while the server waits" },
		{ IORING_SETUP_COOP_TASKRUN, "COOP_TASKRUN: whenever the server crosses" },
		{ 0, "plain: at once, interrupting the server" },
	};
	int result = -EINVAL;
	size_t i;

	for (i = 0; result == -EINVAL && i < 3; i++) {
		struct io_uring_params params = { .flags = ways[i].flags | IORING_SETUP_CQSIZE,
						  .cq_entries = COMPLETIONS };
		result = io_uring_queue_init_params(SUBMISSIONS, &ring, &params);
	}
	if (result == 0)
		result = give_buffers();
	if (result < 0) {
		errno = -result;
		die("cannot make an io_uring", refusal(errno));
	}
	return ways[i - 1].name;
}

int main(int argc, char **argv)
{
	const char *way = make_ring();

	listen_fd = listen_socket(argc, argv, 0, NULL);
	fprintf(stderr, "io_uring runs task work by %s\n", way);
	watch_listener();
	event_loop();
	return 0;
}
