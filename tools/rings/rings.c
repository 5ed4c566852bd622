/*
 * rings.c: a workbench for io_uring, one switch for each of its features, so
 * that each can be measured alone and with others. An instrument, and no
 * lesson's server; `make rings` drives it (tools/experiments/rings.py).
 *
 *	rings [--port N] [--unix PATH] [--cpu N] [FEATURE...]
 *
 * Features (without any: an operation for each receive and each send, on
 * ordinary descriptors and memory, on a ring without flags):
 *
 *	--files		descriptors in the ring's own table
 *	--buffers	registered memory: WRITE_FIXED; READ_FIXED, too, where receives are not multishot
 *	--zero-copy	SEND_ZC, with --buffers from registered memory
 *	--multishot	one accept and one receive a connection, into buffers that the kernel chooses
 *	--defer		DEFER_TASKRUN: what a ready socket leaves to do is done in our wait
 *	--sqpoll	a thread of the kernel takes operations up; on --cpu, where that is given
 *	--spin		completions are polled for, SPIN_US at the most, before we wait
 *
 * Understands inline PING, BLOB n (n a power of two), SPIN us; pipelined. All
 * replies stand ready in memory, since what is compared is input and output.
 * Those to consecutive PINGs leave in one send, a BLOB in one of its own.
 * Nothing changes a reply, so no send needs to wait for a notification. A
 * client that ends its side gets no more.
 *
 * Exit: 1 failed, 2 usage, 77 what was asked is refused here ("refused: …").
 * Needs Linux 6.0; --defer 6.1.
 */
#include <errno.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "workbench.h"

enum {
	CONNECTIONS = 128,  /* beyond, one is closed at once, or waits until another ends */
	SUBMISSIONS = 512,  /* operations of a turn; beyond, some are submitted early */
	COMPLETIONS = 2048, /* of a turn; beyond, the kernel keeps them until there is room */
	BUFFERS = 64,	    /* multishot receives of a turn; beyond, they fail with ENOBUFS, and are asked for again */
	BUFFER_SIZE = 4096,
	SPIN_US = 2000,
};

/* What a completion is about: the low bits of user_data, below the connection's number. */
enum operation { IGNORED, ACCEPT, RECEIVE, SEND, OPERATION_BITS = 2 };

/* Registered buffers. */
enum { REPLIES, REQUESTS };

struct conn {
	int fd; /* with --files a slot of the table; −1: none */
	char *in;
	size_t head, used; /* in in[]: parsed up to there, filled up to there */
	struct bytes out;  /* of the reply under way, what is not sent */
	unsigned notices;  /* zero-copy sends whose memory the kernel still holds */
	bool receiving, sending, closing, cancelled;
};

static struct features with = { .sq_cpu = -1 };
static struct io_uring ring;
static struct conn conns[CONNECTIONS];
static size_t open_conns;
static int listeners[LISTENERS_MAX];
static size_t listener_count;
static bool accepting[LISTENERS_MAX];
static char requests[CONNECTIONS][IN_SIZE];
static struct io_uring_buf_ring *buffer_ring;
static char buffers[BUFFERS][BUFFER_SIZE];

/* ---- operations ---- */

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring); /* the queue is full */
	return sqe;
}

static void label(struct io_uring_sqe *sqe, size_t number, enum operation operation)
{
	io_uring_sqe_set_data64(sqe, (uint64_t)number << OPERATION_BITS | operation);
}

static size_t number_of(const struct conn *c)
{
	return (size_t)(c - conns);
}

static void watch_listener(size_t i)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (with.multishot && with.files)
		io_uring_prep_multishot_accept_direct(sqe, listeners[i], NULL, NULL, 0);
	else if (with.multishot)
		io_uring_prep_multishot_accept(sqe, listeners[i], NULL, NULL, SOCK_CLOEXEC);
	else if (with.files)
		io_uring_prep_accept_direct(sqe, listeners[i], NULL, NULL, 0, IORING_FILE_INDEX_ALLOC);
	else
		io_uring_prep_accept(sqe, listeners[i], NULL, NULL, SOCK_CLOEXEC);
	if (with.files)
		sqe->file_index = IORING_FILE_INDEX_ALLOC; /* liburing 2.3 sets 0 in the third case: no slot */
	label(sqe, i, ACCEPT);
	accepting[i] = true;
}

static void give_buffer(unsigned id)
{
	io_uring_buf_ring_add(buffer_ring, buffers[id], BUFFER_SIZE, (unsigned short)id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(buffer_ring, 1);
}

/* The operation's descriptor is a slot of the ring's table. */
static void use_table(struct io_uring_sqe *sqe)
{
	if (with.files)
		sqe->flags |= IOSQE_FIXED_FILE;
}

/* Not while the kernel has been told where in c->in to put the next bytes. */
static void make_room(struct conn *c)
{
	memmove(c->in, c->in + c->head, c->used - c->head);
	c->used -= c->head;
	c->head = 0;
}

static void start_receive(struct conn *c)
{
	struct io_uring_sqe *sqe;
	unsigned room;

	make_room(c);
	room = (unsigned)(IN_SIZE - c->used);
	if (room == 0 && !with.multishot)
		return; /* until a reply is sent */
	sqe = next_sqe();
	if (with.multishot)
		io_uring_prep_recv_multishot(sqe, c->fd, NULL, 0, 0);
	else if (with.buffers)
		io_uring_prep_read_fixed(sqe, c->fd, c->in + c->used, room, 0, REQUESTS);
	else
		io_uring_prep_recv(sqe, c->fd, c->in + c->used, room, 0);
	use_table(sqe);
	if (with.multishot)
		sqe->flags |= IOSQE_BUFFER_SELECT;
	label(sqe, number_of(c), RECEIVE);
	c->receiving = true;
}

static void start_send(struct conn *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	if (with.zero_copy && with.buffers)
		io_uring_prep_send_zc_fixed(sqe, c->fd, c->out.data, c->out.size, MSG_NOSIGNAL, 0, REPLIES);
	else if (with.zero_copy)
		io_uring_prep_send_zc(sqe, c->fd, c->out.data, c->out.size, MSG_NOSIGNAL, 0);
	else if (with.buffers)
		io_uring_prep_write_fixed(sqe, c->fd, c->out.data, (unsigned)c->out.size, 0, REPLIES);
	else
		io_uring_prep_send(sqe, c->fd, c->out.data, c->out.size, MSG_NOSIGNAL);
	use_table(sqe);
	label(sqe, number_of(c), SEND);
	c->sending = true;
}

/* Once: what is under way ends first, then the descriptor is closed. */
static void close_when_idle(struct conn *c)
{
	struct io_uring_sqe *sqe;

	if (c->receiving && !c->cancelled) {
		sqe = next_sqe();
		io_uring_prep_cancel64(sqe, (uint64_t)number_of(c) << OPERATION_BITS | RECEIVE, 0);
		label(sqe, 0, IGNORED);
		c->cancelled = true;
	}
	if (c->receiving || c->sending || c->notices > 0)
		return;
	sqe = next_sqe();
	if (with.files)
		io_uring_prep_close_direct(sqe, (unsigned)c->fd);
	else
		io_uring_prep_close(sqe, c->fd);
	label(sqe, 0, IGNORED);
	c->fd = -1;
	open_conns--;
	for (size_t i = 0; i < listener_count; i++)
		if (!accepting[i])
			watch_listener(i);
}

static void next_reply(struct conn *c)
{
	c->head += replies_take((struct bytes){ c->in + c->head, c->used - c->head }, &c->out);
}

static void serve(struct conn *c)
{
	if (!c->closing && !c->sending) {
		if (c->out.size == 0)
			next_reply(c);
		if (c->out.size > 0)
			start_send(c);
	}
	if (!c->closing && !c->receiving)
		start_receive(c);
	if (c->closing)
		close_when_idle(c);
}

/* ---- completions ---- */

static void on_accept(size_t i, int fd, bool more)
{
	struct conn *c = conns;

	accepting[i] = more;
	if (fd >= 0 && open_conns == CONNECTIONS) {
		close(fd); /* a multishot accept goes on; a full table of descriptors ends it */
	} else if (fd >= 0) {
		while (c->fd >= 0)
			c++;
		*c = (struct conn){ .fd = fd, .in = requests[number_of(c)] };
		open_conns++;
		serve(c);
	} else if (fd == -EINVAL || fd == -EOPNOTSUPP) {
		must(fd, with.multishot ? "multishot accept" : "accept");
	}
	if (!more && open_conns < CONNECTIONS)
		watch_listener(i);
}

/* The end of the stream comes as 0 bytes, with no buffer. */
static void on_received(struct conn *c, int result, unsigned flags)
{
	unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

	c->receiving = flags & IORING_CQE_F_MORE;
	if (result == -EINVAL || result == -EOPNOTSUPP)
		must(result, with.multishot ? "multishot receive" : "receive");
	if (result == 0 || (result < 0 && result != -ENOBUFS && result != -EINTR))
		c->closing = true;
	if (result > 0 && with.multishot) {
		make_room(c);
		if ((size_t)result > IN_SIZE - c->used)
			c->closing = true;
		else
			memcpy(c->in + c->used, buffers[id], (size_t)result);
	}
	if (flags & IORING_CQE_F_BUFFER)
		give_buffer(id);
	if (result > 0 && !c->closing)
		c->used += (size_t)result;
	serve(c);
}

/* A zero-copy send completes twice: it has been taken (F_MORE), and its memory is ours again (F_NOTIF). */
static void on_sent(struct conn *c, int result, unsigned flags)
{
	if (flags & IORING_CQE_F_NOTIF) {
		c->notices--;
	} else {
		c->notices += (flags & IORING_CQE_F_MORE) != 0;
		c->sending = false;
		if (result == -EINVAL || result == -EOPNOTSUPP)
			must(result, with.zero_copy ? "SEND_ZC on such a socket" : "send");
		if (result < 0 && result != -EAGAIN && result != -EINTR)
			c->closing = true;
		else if (result > 0)
			c->out = (struct bytes){ c->out.data + result, c->out.size - (size_t)result };
	}
	serve(c);
}

static void on_event(const struct io_uring_cqe *cqe)
{
	size_t number = cqe->user_data >> OPERATION_BITS;

	switch ((enum operation)(cqe->user_data & ((1 << OPERATION_BITS) - 1))) {
	case ACCEPT:
		on_accept(number, cqe->res, cqe->flags & IORING_CQE_F_MORE);
		break;
	case RECEIVE:
		on_received(&conns[number], cqe->res, cqe->flags);
		break;
	case SEND:
		on_sent(&conns[number], cqe->res, cqe->flags);
		break;
	default:
		break;
	}
}

/* Until a completion is there, or SPIN_US have passed. */
static void spin(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 64; i++)
			if (io_uring_cq_ready(&ring) > 0)
				return;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < SPIN_US);
}

/* One call submits and waits; but where a thread of the kernel or we ourselves look out, none need be made. */
static void next_turn(void)
{
	if (with.sqpoll || with.spin) {
		if (io_uring_sq_ready(&ring) > 0)
			io_uring_submit(&ring); /* with SQPOLL a call only where its thread sleeps */
		if (with.spin)
			spin();
		if (io_uring_cq_ready(&ring) > 0)
			return;
	}
	if (io_uring_cq_ready(&ring) == 0 || io_uring_sq_ready(&ring) > 0)
		io_uring_submit_and_wait(&ring, 1);
}

static noreturn void event_loop(void)
{
	static struct io_uring_cqe *cqes[COMPLETIONS];

	for (;;) {
		unsigned n;

		next_turn();
		n = io_uring_peek_batch_cqe(&ring, cqes, COMPLETIONS);
		for (unsigned i = 0; i < n; i++)
			on_event(cqes[i]);
		io_uring_cq_advance(&ring, n);
	}
}

/* ---- start-up ---- */

static void register_what_is_wanted(struct bytes replies)
{
	static struct io_uring_buf slots[BUFFERS] __attribute__((aligned(4096)));
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)slots, .ring_entries = BUFFERS };
	struct iovec regions[] = {
		[REPLIES] = { (char *)replies.data, replies.size }, [REQUESTS] = { requests, sizeof(requests) }
	};

	if (with.files)
		must(io_uring_register_files_sparse(&ring, CONNECTIONS), "a table of descriptors");
	if (with.buffers)
		must(io_uring_register_buffers(&ring, regions, 2), "registered memory (ulimit -l)");
	if (!with.multishot)
		return;
	must(io_uring_register_buf_ring(&ring, &reg, 0), "a ring of buffers");
	buffer_ring = (struct io_uring_buf_ring *)slots;
	for (unsigned id = 0; id < BUFFERS; id++)
		give_buffer(id);
}

int main(int argc, char **argv)
{
	struct rlimit memory;

	read_options(argc, argv, &with);
	signal(SIGPIPE, SIG_IGN); /* WRITE_FIXED has no MSG_NOSIGNAL */
	getrlimit(RLIMIT_MEMLOCK, &memory);
	memory.rlim_cur = memory.rlim_max; /* registered memory counts */
	setrlimit(RLIMIT_MEMLOCK, &memory);
	for (size_t i = 0; i < CONNECTIONS; i++)
		conns[i].fd = -1;
	make_ring(&ring, &with, SUBMISSIONS, COMPLETIONS);
	register_what_is_wanted(replies_make());
	listener_count = listen_everywhere(listeners, &with);
	for (size_t i = 0; i < listener_count; i++)
		watch_listener(i);
	printf("listening on 127.0.0.1:%ld\n", with.port);
	fflush(stdout);
	event_loop();
}
