/*
 * ring.h: makes an io_uring, or says why there can be none. Part of start-up;
 * its functions stand here, and not in a file of their own, so that a server
 * without a ring needs no liburing.
 */
#ifndef CROSSINGS_RING_H
#define CROSSINGS_RING_H

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "startup.h"

#ifndef IORING_SEND_ZC_REPORT_USAGE /* Linux 6.2; liburing 2.3 does not know them */
#define IORING_SEND_ZC_REPORT_USAGE  (1U << 3)
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

enum { SQ_IDLE_MS = 100 }; /* IORING_SETUP_SQPOLL: how long the kernel's thread looks in vain before it sleeps */

/* A ring that a server can work with. Tables go from the best to the oldest, and end with an empty name. */
struct ring_kind {
	const char *name;
	unsigned flags; /* IORING_SETUP_… */
};

/*
 * When a socket turns ready, there is work left to do: the receive itself, its
 * completion ("task work"). The kinds differ in when the kernel does it.
 */
static const struct ring_kind ring_kinds[] = {
	{ "DEFER_TASKRUN", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN }, /* in our wait (6.1) */
	{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN },				      /* in any of our calls (5.19) */
	{ "plain", 0 }, /* at once, and interrupts us for it */
	{ 0 },
};

/* --ring N and --entries N: so that the kinds can be compared, and a ring be made too small. */
static long ring_first_kind, ring_entries = 1024;
static const struct server_option ring_options[] = {
	{ "ring", &ring_first_kind, 0, 2, "kind of ring to try first: 0 DEFER_TASKRUN, 1 COOP_TASKRUN, 2 plain" },
	{ "entries", &ring_entries, 1, 1024, "operations the ring holds; of completions, four times as many" },
	{ 0 },
};

/* What to do about the kernel's refusal of io_uring_setup(2) or io_uring_register(2). */
static inline const char *ring_hint(int error)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int disabled = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return ring_refusal(error, disabled);
}

/* Whether multishot receives are there. No flag tells; SEND_ZC came with the same kernel, 6.0. */
static inline int ring_probe(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int there = probe && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);

	io_uring_free_probe(probe);
	return there ? 0 : -EINVAL;
}

/*
 * The first of `kinds` that the kernel has, with room for `submissions` and
 * `completions`. Returns its name. Ends the process where there is none.
 */
static inline const char *ring_make(struct io_uring *ring, const struct ring_kind *kinds, unsigned submissions,
				    unsigned completions)
{
	int result = -EINVAL;

	for (; kinds->name; kinds++) {
		struct io_uring_params params = { .flags = kinds->flags | IORING_SETUP_CQSIZE,
						  .sq_thread_idle = SQ_IDLE_MS,
						  .cq_entries = completions };
		result = io_uring_queue_init_params(submissions, ring, &params);
		if (result != -EINVAL)
			break;
	}
	if (result == 0)
		result = ring_probe(ring);
	if (result < 0) {
		errno = -result;
		die("cannot make an io_uring", ring_hint(errno));
	}
	return kinds->name;
}

/* Ends the process if `result`, io_uring_enter's, is an error that waiting or trying again does not mend. */
static inline void ring_check(int result)
{
	/* A signal; the timeout; no memory for more operations; completions to be taken first. */
	if (result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY)
		return;
	errno = -result;
	die("cannot wait for completions", "See io_uring_enter(2).");
}

/*
 * Buffers that the kernel may fill. It takes one when bytes are there for it,
 * and the completion tells which: that one is ours until it is given back.
 */
struct ring_buffers {
	struct io_uring_buf_ring *ring; /* those that the kernel may take, in this order */
	char *bytes;
	unsigned count, size; /* how many, a power of two; bytes in each */
};

static inline char *ring_buffer(const struct ring_buffers *b, uint32_t id)
{
	return b->bytes + (size_t)id * b->size;
}

/* The kernel may fill it again. No system call: it looks at the ring's tail when it needs a buffer. */
static inline void ring_buffer_give(struct ring_buffers *b, uint32_t id)
{
	io_uring_buf_ring_add(b->ring, ring_buffer(b, id), b->size, (uint16_t)id, io_uring_buf_ring_mask(b->count), 0);
	io_uring_buf_ring_advance(b->ring, 1);
}

/* Makes `b->count` buffers of `b->size` bytes and gives all of them to the kernel, as group 0. Ends the process where it can't. */
static inline void ring_buffers_make(struct ring_buffers *b, struct io_uring *ring)
{
	enum { PAGE = 4096 }; /* the kernel maps the ring, too, so it begins on a page */
	size_t size = (b->count * sizeof(struct io_uring_buf) + PAGE - 1) / PAGE * PAGE;
	struct io_uring_buf_reg reg = { .ring_entries = b->count };

	b->ring = aligned_alloc(PAGE, size);
	b->bytes = calloc(b->count, b->size);
	if (!b->ring || !b->bytes)
		die("cannot make buffers", "Is memory short?");
	reg.ring_addr = (uintptr_t)b->ring;
	errno = -io_uring_register_buf_ring(ring, &reg, 0);
	if (errno)
		die("cannot share buffers with the kernel", ring_hint(errno));
	io_uring_buf_ring_init(b->ring);
	for (uint32_t id = 0; id < b->count; id++)
		ring_buffer_give(b, id);
}

/*
 * Makes an empty table of direct descriptors: as many as the process may have
 * ordinary ones, `most` at the most. Returns how many. Ends the process where
 * it can't.
 */
static inline long ring_table_make(struct io_uring *ring, long most)
{
	struct rlimit limit;

	raise_descriptor_limit(); /* the kernel allows no larger table */
	if (getrlimit(RLIMIT_NOFILE, &limit))
		die("cannot read the limit on descriptors", "See getrlimit(2).");
	if (limit.rlim_cur < (rlim_t)most)
		most = (long)limit.rlim_cur;
	errno = -io_uring_register_files_sparse(ring, (unsigned)most);
	if (errno)
		die("cannot make a table of direct descriptors", ring_hint(errno));
	return most;
}

#endif
