/*
 * workbench.h: what the parts of the workbench share. rings.c moves the bytes,
 * replies.c knows what they say, start.c makes the ring and the listeners.
 */
#ifndef WORKBENCH_H
#define WORKBENCH_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>

enum {
	IN_SIZE = 16 * 1024, /* requests not yet answered, of a connection; one that sends more is closed */
	LISTENERS_MAX = 2,   /* TCP's, and the Unix socket's where there is one */
	EXIT_REFUSED = 77,
};

/* What the command line asks for; see the head of rings.c. */
struct features {
	int files, buffers, zero_copy, multishot, defer, sqpoll, spin;
	long port, sq_cpu;     /* sq_cpu −1: any */
	const char *unix_path; /* NULL: none */
};

/* ---- start.c: what fails ends the process ---- */

noreturn void leave(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `result` of a call that a kernel, its settings or a combination of features may refuse. */
void must(int result, const char *what);

void read_options(int argc, char **argv, struct features *with);
void make_ring(struct io_uring *ring, const struct features *with, unsigned submissions, unsigned completions);

/* Fills in the listening descriptors and the port; returns how many there are. */
size_t listen_everywhere(int listeners[LISTENERS_MAX], struct features *with);

/* ---- replies.c ---- */

struct bytes {
	const char *data;
	size_t size;
};

/* All replies there are, made once. */
struct bytes replies_make(void);

/*
 * Takes requests from `in` until there is a reply to send: of one request, or
 * of all PINGs that follow each other. Returns how many bytes they took.
 */
size_t replies_take(struct bytes in, struct bytes *reply);

#endif
