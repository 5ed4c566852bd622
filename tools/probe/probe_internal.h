/*
 * probe_internal.h: what the files of the probe share with one another.
 */
#ifndef CROSSINGS_PROBE_INTERNAL_H
#define CROSSINGS_PROBE_INTERNAL_H

#include <sys/resource.h>

#include "probe.h"

/* ---- text.c ---- */

/* As printf, into one of eight buffers that are used in turn. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The bytes in double quotes as C would write them, cut with "…" after `max` of them. */
const char *quoted(const void *bytes, size_t size, size_t max);

/* The same without quotes, uncut up to the buffer's size: as strace shows them. */
const char *escaped(const char *bytes);

/* Splits at spaces outside quotes; a NULL-terminated array that is never freed. */
char **split_words(const char *line, size_t *count);

/* Reads a small file whole, terminated; −1 where it can't be had. */
ssize_t read_small_file(const char *path, char *bytes, size_t size);

/* ---- wait.c ---- */

uint64_t monotonic_ns(void);
void pause_us(uint32_t us); /* meanwhile, servers' output is drained */

/* PATIENCE_MS, or another bound, times PROBE_PATIENCE. */
int patience(int ms);

/* The moment (monotonic) after which a wait has lasted too long; whether it is past. */
uint64_t deadline_in(int ms);
bool is_past(uint64_t deadline);

/*
 * Waits until the client's socket is ready for `events`. Drains servers'
 * output meanwhile. LATE: not before the deadline; STILL: and never, as the
 * server sleeps for good.
 */
enum waited { READY = 1, LATE = -2, STILL = -3 };
enum waited wait_ready(const struct client *c, short events, uint64_t deadline);

/* ---- server.c ---- */

struct output {
	int fd; /* the pipe's reading end, −1 once it ended */
	size_t used;
	char kept[OUTPUT_MAX + 1];
};

struct server {
	struct server *next;
	pid_t pid; /* its process group too */
	int port;
	bool ended;
	int status;	     /* of wait(2), once ended */
	struct rusage usage; /* the same */
	struct output out, err;
	struct strace_log *log; /* NULL: not traced */
	char dir[256];		/* what it leaves: log, sanitizers' reports */
	int dir_fd;		/* holds a lock on it */
};

extern struct server *servers;
struct server *server_new(const struct server_options *options); /* started, not awaited */
void drain_outputs(void);
const char *last_line(const struct output *o);

/* ptrace.c: skips where there is no strace, or the kernel refuses it. */
void require_ptrace(void);

/* Where strace writes: the file that the environment's PROBE_STRACE_LOG names (every server is traced then), or one of our own. */
const char *log_path(const struct server *s);

/* launch.c: executes it, under strace if so wished; sets pid, pipes, and the port where we choose it. */
void launch(struct server *s, const struct server_options *options);

/* ---- scratch.c ---- */

void scratch_make(struct server *s);   /* s->dir */
void scratch_remove(struct server *s); /* with all that is in it */
void scratch_clear(void);	       /* what killed probes have left behind */

/* ---- proc.c ---- */

/* Calls `visit` for each thread of `pid` and of its descendants; stops when it returns false. */
bool each_task(pid_t pid, bool (*visit)(pid_t pid, pid_t tid, void *arg), void *arg);

/* The state letter of a thread and its name; 0 where it is gone. */
char task_state(pid_t pid, pid_t tid, char comm[32]);

/* True when each of its threads sleeps in the kernel, those of io_uring aside. */
bool server_rests(const struct server *s);

/*
 * As server_quiet, for a server that is known to have got all that was sent,
 * since it has answered: io_uring's threads are not waited for. A round must
 * not last so long that SQPOLL's falls asleep.
 */
uint64_t server_answered(struct server *s);

/* ---- state.c ---- */

/* A system call that a server may wait in, and what may end its wait besides that which it waits for. */
struct waiting_call {
	long number;
	const char *name;
	enum {
		BOUND_NONE,
		BOUND_MS,	/* argument `arg`, an int; negative: none */
		BOUND_POINTER,	/* argument `arg`; NULL: none */
		BOUND_RCVTIMEO, /* an option of the socket that is the first argument */
		BOUND_SNDTIMEO,
		BOUND_ITSELF, /* the call itself, always or in a way that can't be seen */
	} bound;
	int arg; /* 0 where there is none */
};
const struct waiting_call *waiting_call(long number); /* NULL: another call */

/* ---- still.c: server_is_still ---- */

enum { LOOK_MS = 50 }; /* how often it looks, at the most */

/* ---- strace_log.c ---- */

struct strace_log *log_open(const char *path);
void log_read(struct strace_log *log);		/* what was written since */
size_t log_bytes(const struct strace_log *log); /* size of the file: grows at every entry and every return */
size_t log_count(struct strace_log *log);	/* calls returned so far */

/* The server is quiet: whatever the log does not show yet returns later than this moment, which is returned. */
uint64_t log_mark(struct strace_log *log);
const struct crossing *log_call(const struct strace_log *log, size_t index);

/* ---- sanitizer.c ---- */

struct report {
	char tool[40], kind[128], function[64],
		source[256]; /* "AddressSanitizer", "heap-use-after-free", "on_event", "solutions/04-epoll/server.c:90" */
};
bool sanitizer_report(const struct server *s, struct report *r);
extern const char *const sanitizer_options[][2]; /* name, value; %s in it is the directory */

/* ---- client.c ---- */

struct client {
	struct server *server;
	int fd;
	char name[48];
};
void client_receive(struct client *c, void *bytes, size_t size); /* exactly; fails on an end or a passed bound */

#endif
