/*
 * startup.h: what happens once, before the first event. The one part of the
 * kit that makes system calls.
 */
#ifndef CROSSINGS_STARTUP_H
#define CROSSINGS_STARTUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

enum {
	ACCEPT_RETRY_MS = 100, /* how long to leave a listener alone that cannot accept */
	STOP_GRACE_S = 1,      /* how long a stopping server waits for peers to take what they are owed */
};

/* An option of the chapter's own: `--name N`. Tables end with an empty entry. */
struct server_option {
	const char *name; /* "threads", without the dashes */
	long *value;	  /* in: the default; out: what was given */
	long min, max;	  /* what is outside is a usage error */
	const char *help; /* "workers in the pool" */
};

/*
 * Reads --host, --port, --backlog, --pace and `own` (NULL for none). listen_socket()
 * does it; call it before, with the same, where an option matters earlier.
 */
void read_options(int argc, char **argv, const struct server_option *own);

/* Raises the soft limit on descriptors to the hard one. listen_socket() does it; call it before, where that matters earlier. */
void raise_descriptor_limit(void);

/*
 * Reads --host, --port, --backlog, --pace and `own` (NULL for none); raises the soft
 * limit on descriptors to the hard one; handles SIGTERM and SIGINT (see
 * `stopping`); listens, with `flags` for socket(2) (SOCK_NONBLOCK or 0); says
 * "listening on HOST:PORT" on stdout. Returns the listening descriptor.
 * Accepted sockets inherit TCP_NODELAY from it (Linux).
 *
 * What fails ends the process with one line on stderr: 1 for set-up, 2 for usage.
 */
int listen_socket(int argc, char **argv, int flags, const struct server_option *own);

/*
 * True once the server was told to stop. The handler also shuts the listening
 * socket down, so that whatever waits for it wakes and accept(2) fails with
 * EINVAL: there is no moment in which a signal could go unnoticed. A call that
 * the signal interrupts fails with EINTR. After STOP_GRACE_S the process ends,
 * with 0, whatever is still unsent.
 */
extern atomic_bool stopping;

/* What to do about a failed accept(2); see its man page for the errors. */
enum accept_verdict {
	ACCEPT_NEXT,	/* that connection came to nothing: accept the next */
	ACCEPT_DRAINED, /* none is waiting (EAGAIN), or the server is stopping */
	ACCEPT_FULL,	/* no descriptor or no memory: leave the listener alone for a while */
};
enum accept_verdict accept_failed(int error);

/* Computes for `us` microseconds of CPU. No system call: the pace was measured at start-up. */
void burn_us(uint32_t us);

/*
 * What to do where the kernel refuses an io_uring with `error`; `disabled` is
 * what /proc/sys/kernel/io_uring_disabled says ('0', '1', '2'), or EOF.
 */
const char *ring_refusal(int error, int disabled);

/* Says "SERVER: WHAT: strerror(errno). HINT" on stderr and exits with 1. */
noreturn void die(const char *what, const char *hint);

#endif
