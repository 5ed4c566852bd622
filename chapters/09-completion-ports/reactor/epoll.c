/*
 * A reactor on a proactor: epoll's calls, made of an io_uring. Chapter 4's
 * server is linked with this in place of the C library's; its object file is
 * the same. An entry of the interest list is a poll in flight, and an event is
 * its completion. A poll completes once: so each entry that was reported is
 * asked about again, by an operation of its own, when the server waits again.
 *
 * Crossings: 2 + 1/k a request, as epoll's; and one operation a request.
 * Needs Linux 6.0, as chapter 6 does.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

enum {
	SUBMISSIONS = 1024,   /* operations of a turn; beyond, some are submitted early, by a call of their own */
	COMPLETIONS = 4096,   /* of a turn; beyond, the kernel keeps them until there is room */
	DESCRIPTORS_MIN = 64, /* the first size of the interest list */
	NONE = -1,
};

/* One of the interest list, whose index is the descriptor. */
struct entry {
	epoll_data_t data;
	uint32_t events;
	uint32_t generation; /* of its poll: a completion of an earlier one is stale */
	bool listed;
	bool armed;    /* a poll is in flight */
	bool standing; /* the peer has sent its end, of which every poll tells, asked or not */
	bool due;      /* stands on the list of those to arm */
	int next;      /* the next one there */
};

static struct io_uring ring;
static struct entry *entries;
static int size;
static int first_due = NONE;

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring)))
		io_uring_submit(&ring); /* the queue is full */
	return sqe;
}

static uint64_t label_of(int fd)
{
	return (uint64_t)entries[fd].generation << 32 | (uint32_t)fd;
}

static bool make_room(int fd)
{
	int wanted = size ? size : DESCRIPTORS_MIN;

	if (fd < size)
		return true;
	while (wanted <= fd)
		wanted *= 2;
	struct entry *grown = realloc(entries, (size_t)wanted * sizeof(*entries));
	if (!grown)
		return false;
	for (int i = size; i < wanted; i++)
		grown[i] = (struct entry){ 0 };
	entries = grown;
	size = wanted;
	return true;
}

static void make_due(int fd)
{
	if (entries[fd].due)
		return;
	entries[fd].due = true;
	entries[fd].next = first_due;
	first_due = fd;
}

static void arm(int fd)
{
	struct io_uring_sqe *sqe = next_sqe();

	entries[fd].generation++;
	entries[fd].armed = true;
	/* TODO 9.4: A reactor on a proactor */
	/* Ask once, hear many times. */
	io_uring_prep_poll_multishot(sqe, fd, entries[fd].events);
	io_uring_sqe_set_data64(sqe, label_of(fd));
}

/* Level-triggered: whoever was reported may be ready still, and is asked about again. */
static void arm_those_due(void)
{
	while (first_due != NONE) {
		int fd = first_due;
		first_due = entries[fd].next;
		entries[fd].due = false;
		if (entries[fd].listed && !entries[fd].armed)
			arm(fd);
	}
}

/*
 * Its completion comes all the same, and is stale: no entry is armed under its
 * label. Not POLL_REMOVE, which fails while a completion is on its way, and
 * then a poll that completes many times would stay.
 */
static void disarm(int fd)
{
	struct io_uring_sqe *sqe;

	if (!entries[fd].armed)
		return;
	entries[fd].armed = false;
	sqe = next_sqe();
	io_uring_prep_cancel64(sqe, label_of(fd), 0);
	io_uring_sqe_set_data64(sqe, UINT64_MAX);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
}

int epoll_create1(int flags)
{
	/* In our own calls, without interrupting us; or at once. */
	static const struct ring_kind kinds[] = { { "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },
						  { "plain", 0 },
						  { 0 } };

	(void)flags;
	ring_make(&ring, kinds, SUBMISSIONS, COMPLETIONS);
	return ring.ring_fd;
}

/* Nothing is submitted here: that is the next wait's crossing. */
int epoll_ctl(int epoll_fd, int how, int fd, struct epoll_event *event)
{
	(void)epoll_fd;
	if (!make_room(fd)) {
		errno = ENOMEM;
		return -1;
	}
	disarm(fd);
	entries[fd].listed = how != EPOLL_CTL_DEL;
	if (entries[fd].listed) {
		entries[fd].events = event->events;
		entries[fd].data = event->data;
		entries[fd].standing = false;
		make_due(fd);
	}
	return 0;
}

/* The poll is over, or more completions of it are to come, of which the kernel looks at no more than one at a time. */
static void ask_again(int fd, bool more)
{
	/* TODO 9.4, continued */
	/* While more is to come, the poll stays where it is. */
	if (!more) {
		entries[fd].armed = false;
		make_due(fd);
	}
}

/* False where there is nothing to tell: a poll that was given up, or something that nobody asked for. */
static bool report(const struct io_uring_cqe *cqe, struct epoll_event *event)
{
	int fd = (int)(uint32_t)cqe->user_data;
	bool more = cqe->flags & IORING_CQE_F_MORE;

	if (fd < 0 || fd >= size || !entries[fd].armed || cqe->user_data != label_of(fd))
		return false;
	event->data = entries[fd].data;
	event->events = cqe->res < 0 ? EPOLLERR : (uint32_t)cqe->res & (entries[fd].events | EPOLLERR | EPOLLHUP);
	if (!event->events)
		entries[fd].standing = true;
	if (event->events || !more)
		ask_again(fd, more);
	return event->events;
}

static int report_all(struct epoll_event *events, int max)
{
	struct io_uring_cqe *cqe;
	int n = 0;

	while (n < max && io_uring_peek_cqe(&ring, &cqe) == 0) {
		n += report(cqe, &events[n]);
		io_uring_cqe_seen(&ring, cqe);
	}
	return n;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
	struct __kernel_timespec timeout = { .tv_nsec = timeout_ms * 1000000L };
	struct io_uring_cqe *cqe;
	int n, result;

	(void)epoll_fd;
	do {
		arm_those_due();
		result = io_uring_submit_and_wait_timeout(&ring, &cqe, 1, timeout_ms < 0 ? NULL : &timeout, NULL);
		if (result < 0 && result != -ETIME && result != -EAGAIN && result != -EBUSY) {
			errno = -result;
			return -1;
		}
		n = report_all(events, max);
	} while (n == 0 && timeout_ms < 0); /* nothing to tell */
	return n;
}

int close(int fd)
{
	/* TODO 9.4, continued */
	/* Closing a descriptor takes it off the interest list. */
	if (fd >= 0 && fd < size)
		entries[fd].listed = entries[fd].armed = false;
	return (int)syscall(SYS_close, fd);
}
