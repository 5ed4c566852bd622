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

#include "startup.h"

/* A ring that a server can work with. Tables go from the best to the oldest, and end with an empty name. */
struct ring_kind {
	const char *name;
	unsigned flags; /* IORING_SETUP_… */
};

/* What to do about the kernel's refusal of io_uring_setup(2) or io_uring_register(2). */
static inline const char *ring_hint(int error)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int disabled = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	switch (error) {
	case ENOSYS:
		return "This kernel has no io_uring, or a sandbox hides it: run on Linux 6.0 or later, outside.";
	case EPERM:
		return disabled == '2'	 ? "It is switched off here: sysctl kernel.io_uring_disabled=0 allows it."
		       : disabled == '1' ? "It is kept to one group here: see sysctl kernel.io_uring_group."
					 : "A seccomp filter forbids it, as in most containers: run outside.";
	case EINVAL:
		return "This kernel is too old: Linux 6.0 or later is needed.";
	default:
		return "See io_uring_setup(2).";
	}
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

#endif
