/*
 * zero crossings: a thread of the kernel takes operations from the queue as
 * they come, and the server looks for completions where it used to wait for
 * them. While there is work, neither calls the other.
 *
 * Crossings: 0 a request, as long as requests keep coming. CPU time instead.
 * Needs Linux 6.0 (multishot receive), for --zerocopy 6.2.
 */
#include <errno.h>
#include <liburing.h>
#include <limits.h>
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
	SLOTS_MAX = 32768, /* connections; beyond, they wait to be accepted */
	CHAIN = 3,	   /* operations that must be submitted as one; without room for that, they are not linked */
};

/* What a completion is about: the low bits of user_data, below the connection's address. */
enum operation { IGNORED, ACCEPT, RECEIVE, SEND, CLOSE, OPERATION_MASK = 7 };

static struct io_uring ring;
static struct ring_buffers buffers = { .count = BUFFERS, .size = BUFFER_SIZE };
static int listen_fd;
static bool accept_paused;
static struct list served;  /* what they are owed is sent when all have had their turn */
static struct list starved; /* found no buffer */
static unsigned zero_copies, copied; /* sends by SEND_ZC; those that the kernel copied all the same */

/* Each feature can be left out, to see what it does and what it costs. */
static long sqpoll = 1, spin_us = 10000, direct = 1, zerocopy, links = 1;
static const struct server_option options[] = {
	{ "sqpoll", &sqpoll, 0, 1, "1: a thread of the kernel submits" },
	{ "spin", &spin_us, 0, 1000000, "microseconds to look for completions before a sleep" },
	{ "direct", &direct, 0, 1, "1: connections have direct descriptors" },
	{ "zerocopy", &zerocopy, 0, UNSENT_MAX, "bytes from which a reply goes out by SEND_ZC; 0: none" },
	{ "links", &links, 0, 1, "1: the last send, the shutdown and the close are a chain" },
	{ "entries", &ring_entries, 1, 1024, "operations the ring holds; of completions, four times as many" },
	{ 0 },
};

/* An entry of the submission queue, to be filled in: prepared, and then labelled. */
static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring))) {
		io_uring_submit_and_get_events(&ring); /* the queue is full */
		io_uring_sqring_wait(&ring);	       /* until the kernel's thread has taken some */
	}
	return sqe;
}

/* Says what the operation is, for its completion. Comes last, since preparing an operation clears its flags. */
static void label(struct io_uring_sqe *sqe, struct conn *c, enum operation operation, unsigned flags)
{
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | operation);
	io_uring_sqe_set_flags(sqe, flags);
	if (c)
		c->held++; /* until its last completion */
}

/* TODO 8.2: A table instead of descriptors */
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

static void start_close(struct conn *c, uint32_t slot)
{
	struct io_uring_sqe *sqe = next_sqe();

	/* TODO 8.2, continued */
	io_uring_prep_close(sqe, (int)slot);
	label(sqe, c, c ? CLOSE : IGNORED, 0);
	if (c)
		c->leaving = true;
}

static void conn_close(struct conn *c)
{
	/* An operation keeps the connection open, whatever happens to the descriptor: first it must end. */
	if (c->receiving)
		cancel(c, RECEIVE);
	if (c->lent)
		cancel(c, SEND);
	if (!c->leaving)
		start_close(c, c->slot);
	conn_retire(c); /* conn_reap() frees it when nobody holds it */
}

/* Asks for bytes, unless it has been asked for. While too much is unsent, asks for no more. */
static void watch(struct conn *c, bool once)
{
	bool wanted = conn_wants_read(c);

	if (!wanted && c->receiving)
		cancel(c, RECEIVE);
	if (wanted && !c->receiving) {
		struct io_uring_sqe *sqe = next_sqe();
		io_uring_prep_recv(sqe, c->fd, NULL, 0, 0); /* the kernel takes a buffer when bytes are there */
		label(sqe, c, RECEIVE, IOSQE_BUFFER_SELECT);
		if (!once)
			sqe->ioprio |= IORING_RECV_MULTISHOT; /* and goes on so: all bytes to come */
		c->receiving = true;
	}
}

/* Linked: each begins when the one before it has succeeded; where one fails, those behind it are cancelled. */
static void start_end(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_shutdown(sqe, c->fd, SHUT_WR);
	label(sqe, c, IGNORED, IOSQE_IO_LINK);
	start_close(c, c->slot);
}

/* Sends what the connection is owed, or the rest of it. */
static void start_send(struct conn *c, bool rest)
{
	bool last = links && c->closing && !c->leaving && io_uring_sq_space_left(&ring) >= CHAIN;
	bool uncopied = zerocopy && conn_unsent(c) >= (size_t)zerocopy && !c->copied;
	struct io_uring_sqe *sqe = next_sqe();

	/*
	 * Where the next step is the peer's, nobody needs to hear that all was
	 * sent. So such a send tells only if not: it must not wait, and falls
	 * short at once. The rest of it waits for room, and tells when it is done.
	 */
	c->quiet = !rest && !uncopied && conn_wants_read(c);
	/* TODO 8.4: The end as a chain */
	int flags = c->quiet ? MSG_WAITALL | MSG_DONTWAIT : 0; /* on_sent() sends the rest, if it falls short */
	if (uncopied)
		io_uring_prep_send_zc(sqe, c->fd, conn_out(c), conn_unsent(c), flags, IORING_SEND_ZC_REPORT_USAGE);
	else
		io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), flags);
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : last ? IOSQE_IO_LINK : 0);
	if (c->quiet)
		list_add(&served, c);
	conn_lend(c);
	if (last)
		start_end(c);
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
static void on_sent(struct conn *c, int result, uint32_t flags)
{
	/* TODO 8.3: Whose bytes are they? */
	if (flags & IORING_CQE_F_NOTIF)
		return;
	zero_copies += (flags & IORING_CQE_F_MORE) != 0;
	c->held--;
	c->quiet = false;
	conn_sent(c, result > 0 ? (size_t)result : 0);
	if (c->fd < 0)
		return;
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		conn_close(c);
	else if (conn_unsent(c) > 0)
		start_send(c, true);
	else
		serve(c, conn_next(c));
}

/* A receive has got bytes, the end (0) or an error; with F_MORE it goes on. */
static void on_received(struct conn *c, int result, uint32_t flags)
{
	uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
	const char *bytes = ring_buffer(&buffers, id);

	if (!(flags & IORING_CQE_F_MORE))
		c->held--;
	c->receiving = flags & IORING_CQE_F_MORE;
	if (c->fd >= 0) {
		if (result >= 0)
			serve(c, conn_feed(c, bytes, (size_t)result));
		else if (result == -ECANCELED || result == -EINTR)
			list_add(&served, c);
		else if (result == -ENOBUFS)
			list_add(&starved, c); /* but who has had bytes in this turn stands behind, on the other list */
		else
			conn_close(c);
	}
	if (flags & IORING_CQE_F_BUFFER)
		ring_buffer_give(&buffers, id);
}

static void on_closed(struct conn *c, int result)
{
	c->held--;
	/* TODO 8.4, continued */
	(void)result;
	if (c->fd >= 0)
		conn_close(c);
}

static void on_accept(int fd, bool more)
{
	struct conn *c = fd >= 0 ? conn_new(fd) : NULL;

	if (c) {
		c->slot = (uint32_t)fd;
		list_add(&served, c);
	} else if (fd >= 0)
		start_close(NULL, (uint32_t)fd);
	else
		accept_paused = accept_failed(-fd) != ACCEPT_NEXT;
	if (!more && !accept_paused)
		watch_listener();
}

static void on_event(const struct io_uring_cqe *cqe)
{
	struct conn *c = (struct conn *)(uintptr_t)(cqe->user_data & ~(uint64_t)OPERATION_MASK);
	enum operation operation = cqe->user_data & OPERATION_MASK;

	if (operation == ACCEPT)
		on_accept(cqe->res, cqe->flags & IORING_CQE_F_MORE);
	else if (operation == RECEIVE)
		on_received(c, cqe->res, cqe->flags);
	else if (operation == SEND)
		on_sent(c, cqe->res, cqe->flags);
	else if (operation == CLOSE)
		on_closed(c, cqe->res);
	else if (c) /* a shutdown */
		c->held--;
}

/* One send for all that a connection is owed, however many requests that answers. */
static void end_turn(struct conn *c, bool once)
{
	if (c->quiet) /* no news is good news: it has failed, if ever, while it was submitted */
		on_sent(c, (int)conn_unsent(c), 0);
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
	/*
	 * All buffers are the kernel's again, and it gives them out in the order
	 * of the queue. The first go to those who found none, one each.
	 */
	for (int i = 0; i < BUFFERS && (c = list_take(&starved)); i++)
		end_turn(c, true);
	while ((c = list_take(&turn)))
		end_turn(c, false);
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	listen_fd = -1;
	accept_paused = false;
	for (struct conn *c = conn_first(); c; c = conn_after(c)) {
		/* TODO 8.2, continued */
		shutdown(c->fd, SHUT_RD); /* what has arrived is received, and then the end */
	}
}

/* Submits a turn and waits for the next: the completions that are there, and none that come meanwhile. */
static unsigned next_turn(struct io_uring_cqe **cqes, int timeout_ms)
{
	struct __kernel_timespec timeout = { .tv_nsec = timeout_ms * 1000000L };

	do
		ring_check(io_uring_submit_and_wait_timeout(&ring, cqes, 1, timeout_ms < 0 ? NULL : &timeout, NULL));
	while (io_uring_sq_ready(&ring) > 0);
	return io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
}


static void event_loop(void)
{
	static struct io_uring_cqe *cqes[TURN_MAX];

	while (listen_fd >= 0 || conn_first()) {
		int timeout_ms = starved.first ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1;
		/* TODO 8.1: Look, don't wait */
		unsigned n = next_turn(cqes, timeout_ms);
		if (accept_paused)
			watch_listener();
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
		if (!io_uring_cq_has_overflow(&ring)) /* else there is more news yet, bad news perhaps */
			end_turns();
		conn_reap();
		if (stopping && accept_paused)
			drain();
	}
}

int main(int argc, char **argv)
{
	/* Where the kernel's thread submits, task work can't be left to us: with DEFER_TASKRUN, this is EINVAL. */
	static const struct ring_kind polled[] = {
		{ "SQPOLL", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SQPOLL },
		{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
		{ 0 },
	};
	const char *kind;

	read_options(argc, argv, options);
	kind = ring_make(&ring, sqpoll ? polled : ring_kinds, (unsigned)ring_entries, 4 * (unsigned)ring_entries);
	sqpoll = (ring.flags & IORING_SETUP_SQPOLL) != 0;
	ring_buffers_make(&buffers, &ring);
	listen_fd = listen_socket(argc, argv, 0, options);
	fprintf(stderr, "io_uring: %s\n", kind);
	watch_listener();
	event_loop();
	if (zerocopy)
		fprintf(stderr, "zero-copy: %u sends, %u of them copied by the kernel\n", zero_copies, copied);
	return 0;
}
