/*
 * probe.h: start a server, speak to it, hold it, read its strace log.
 *
 * Tools and tests both use it; nothing of it is linked into a server. Anything
 * that speaks the protocol can be probed: a solution, a student's attempt,
 * redis-server.
 *
 * Failure. A function here that finds the server wanting does not return: it
 * writes the verdict to the journal and calls the failure handler. So a test
 * reads as a list of steps, and has no branches. Every wait has a bound
 * (PATIENCE_MS); what passes it is a failure that says what the server was
 * doing instead. A server that sleeps for good is not waited for that long.
 */
#ifndef CROSSINGS_PROBE_H
#define CROSSINGS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

enum {
	PATIENCE_MS = 3000, /* how long any one wait lasts, at the most; times PROBE_PATIENCE (environment) */
	OUTPUT_MAX =
		4096, /* the last bytes of a server's stdout, and of its stderr, that are kept; all is read, none is stored on disk */
};

/* ---- the journal: what a test did, what it found; one file a test ---- */

/*
 * Opens the journal of the test `name`: the file JOURNAL/name, where JOURNAL
 * is a directory named by the environment (none: nothing is written). Lines,
 * tab-separated; a tab or line end within a text is written as \t, \n:
 *	given	TEXT	a step that sets the scene
 *	expect	TEXT	a step that judges
 *	pass			the test reached its end
 *	fail	given|expect	TEXT	the sentence a student reads
 *	skip	TEXT	why it could not run
 *	note	KEY	VALUE	a figure or a place the report may show: signal, function, source, wait
 * Each line is written at once, so that a crash of the test loses nothing. A
 * journal without pass, fail or skip means that the test failed.
 */
void journal_open(const char *name);
void given(const char *format, ...) __attribute__((format(printf, 1, 2)));
void expect(const char *format, ...) __attribute__((format(printf, 1, 2)));
void journal_note(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));
void journal_pass(void);

/* Ends the test: fail as judged in the step that is under way; skip with its reason. */
noreturn void probe_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
noreturn void probe_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What probe_fail and probe_skip do at last; they must not return. The default prints
 * "fail: TEXT" to stderr and exits 1 (skip: exits 77).
 */
extern void (*probe_on_fail)(const char *text);
extern void (*probe_on_skip)(const char *text);

/* ---- a server ---- */

struct server_options {
	char *const *argv;	/* the command, NULL-terminated; "{port}" in it becomes a free port, and the
				   server counts as started when that port answers. Without {port}:
				   "--port 0" is added, and "listening on HOST:PORT" awaited on stdout. */
	const char *strace;	/* NULL: none. Else extra words for strace, "" for the plain counting log:
				   every call, with its start and its length in ns, threads and children too */
	int nofile;		/* RLIMIT_NOFILE, soft and hard; 0: as it is */
	const char *const *env; /* "NAME=value" to add, NULL-terminated; NULL: none */
	bool no_port;		/* it listens nowhere: no --port is added (see program_run) */
};

struct server; /* one server; it dies with us (PR_SET_PDEATHSIG). Never freed: its log and state outlive it */

/*
 * The command under test: the environment's SERVER, split at spaces outside
 * quotes ("build/solutions/04-epoll/server" or "redis-server --port {port}").
 */
char *const *server_command(void);

/*
 * Starts it and waits until it listens. Fails with a sentence of its own each
 * when the program is missing, exits at once (with what it printed last), dies
 * of a signal, or never announces its port; skips where strace is wanted and
 * ptrace is refused (naming Yama, seccomp or the container as /proc tells),
 * and where the server says that it can't have an io_uring.
 */
struct server *server_start(const struct server_options *options);

/* server_start(server_command()), plain, or with at most `nofile` descriptors. */
struct server *server_start_default(void);
struct server *server_start_limited(int nofile);

int server_port(const struct server *s);
pid_t server_pid(const struct server *s);

/* CPU time of all its threads, in ns (clock_getcpuclockid); resident memory in bytes. */
uint64_t server_cpu_ns(const struct server *s);
uint64_t server_ring_cpu_ns(const struct server *s); /* of that, io_uring's threads: SQPOLL's, and workers */
uint64_t server_loop_cpu_ns(const struct server *s); /* the rest: what its own code took */
uint64_t server_rss(const struct server *s);
uint64_t server_context_switches(const struct server *s); /* voluntary and not, all threads */
size_t server_open_files(const struct server *s);	  /* entries of /proc/PID/fd */
size_t server_threads(const struct server *s);		  /* entries of /proc/PID/task */
const char *server_said(struct server *s);		  /* the end of what it has written to stderr */

/* True when it has a ring whose operations a thread of the kernel takes up (SQPOLL). */
bool server_is_polled(const struct server *s);

/*
 * Waits until every thread of it sleeps in the kernel (state S, seen twice 1 ms
 * apart): all that was sent is dealt with. Returns that moment: a call that
 * returns later has an `end` not before it, so it is the best `from` below.
 * A server that has ended is quiet.
 */
uint64_t server_quiet(struct server *s);

/* The same, and io_uring's threads sleep, too: SQPOLL's goes on looking for work for a while after the last. */
void server_asleep(struct server *s);

/*
 * True once it has slept for a second, and neither a clock nor a byte on its
 * way, to it or from it, is going to wake it: so waiting on is in vain. Looks
 * now and then, when it is called again and again with a `stillness` that
 * began as zeros. Where `c` is not NULL, what was sent to it and from it
 * has arrived. Never true of a server that has a ring, or no longer listens.
 */
struct stillness {
	uint64_t next_look, since, print;
};
struct client;
bool server_is_still(struct server *s, const struct client *c, struct stillness *w);

/* True while it runs. */
bool server_alive(struct server *s);

/*
 * What it is doing, as a clause: "the server died of SIGSEGV in on_readable
 * (server.c:71)", "the server exited with status 1, saying …", "AddressSanitizer
 * stopped the server: heap-use-after-free in on_event (server.c:90)", "the
 * server waits in epoll_wait", "the server is looping: 98 % of a core, no
 * system call" (or "…, 40,000 calls a second, most of them poll", when it is
 * traced). Notes signal, function, source (path:line) and wait in the journal.
 */
const char *server_state(struct server *s);

/*
 * Sends `signal` and waits for its end, 2 s at the most (the contract).
 * Returns the wait status. server_stop: SIGTERM, and fails unless it exits 0;
 * server_kill: SIGKILL to its group, for tear-down, at once and whatever its state.
 */
int server_signal(struct server *s, int signal);
void server_stop(struct server *s);
void server_kill(struct server *s);

/* What is sent where SIGTERM is meant: another signal for a server that runs where it can't be caught. */
extern int probe_sigterm;

/* Ends every server that still runs; registered with atexit and called before probe_on_fail. */
void servers_kill(void);

/* ---- a program that is no server: it runs to its end ---- */

struct program_run {
	const char *command; /* "boundary switch 1000" */
	int status;	     /* as waitpid gives it */
	const char *out, *err;
	const char *state;		  /* a clause: "boundary switch 1000 exited with status 1, saying …" */
	uint64_t context_switches;	  /* voluntary and not: its own, and those of children that it has waited for */
	const struct crossing *crossings; /* traced: all calls in order of return, its children's too */
	size_t count;
};

/*
 * Runs a command to its end, 10 s at the most (times PROBE_PATIENCE), and
 * waits for what it leaves running. `strace` as in server_options. Fails where
 * it can't be run or does not end; skips where it can't be traced.
 */
struct program_run program_run(char *const *argv, const char *strace);

/* ---- a client: one connection of ours ---- */

struct client_options {
	const char *name; /* for sentences: "A", "the slow client"; NULL: "client 1", "client 2", … */
	int rcvbuf;	  /* SO_RCVBUF before connect; 0: as it is */
	int maxseg;	  /* TCP_MAXSEG before connect; 536 makes loopback as narrow as a modem */
	const char *from; /* our own address, "127.0.0.2"; NULL: the kernel's choice */
	const char
		*unix_path; /* a Unix socket of the server's, instead of its port; the others above say nothing then */
};

struct client;

struct client *client_open(struct server *s, const char *name);
struct client *client_open_with(struct server *s, const struct client_options *options);

/* A client that takes little: SO_RCVBUF 4096 and TCP_MAXSEG 536. */
struct client *client_open_slow(struct server *s, const char *name);

int client_fd(const struct client *c);

/* Sends all of it; client_send takes text, as printf. A peer that takes nothing within the bound is a failure. */
void client_send(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void client_send_bytes(struct client *c, const void *bytes, size_t size);

/* Sends at most `size` bytes without waiting; returns how many went (0 when the pipe is full, −1 when the peer is gone). */
ssize_t client_send_some(struct client *c, const void *bytes, size_t size);

/*
 * Reads exactly that and fails on the first byte that differs, on an end, a
 * reset, or when the bound passes: `C expected "+PONG\r\n", but …`, where …
 * is what came instead, or server_state(). Bytes are shown escaped, cut at 60.
 */
void client_expect(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void client_expect_bytes(struct client *c, const void *bytes, size_t size);

/* "$n\r\n", the n bytes of BLOB n as the kit makes them, "\r\n" */
void client_expect_blob(struct client *c, size_t n);

/* Waits until a byte, or an end, is there. Nothing is read. */
void client_await_bytes(struct client *c);

/* One line, without its end, in a static buffer. */
const char *client_read_line(struct client *c);

/* Reads what comes until `size` bytes or the end; returns how many. For floods. */
size_t client_read_some(struct client *c, void *bytes, size_t size);

/* Fails unless the server closes: end of file, or where `reset` is allowed ECONNRESET. */
void client_expect_end(struct client *c, bool reset);

/* Fails if a byte, or an end, is there once the server is quiet. */
void client_expect_silence(struct client *c);

/* PING and its answer, in one step. */
void client_ping(struct client *c);

void client_shut_writing(struct client *c); /* shutdown(SHUT_WR) */
void client_reset(struct client *c);	    /* RST: SO_LINGER 0, then close */
void client_close(struct client *c);

/* ---- many at once: exact batches ---- */

/*
 * A hold keeps the server's loop from its descriptors, so that a batch sent
 * meanwhile is ready as a whole when the loop returns.
 *	SPIN us		burns CPU; begun when its CPU clock has grown by 300 µs
 *	another command	sent as it is; `sleeps`: begun when a quarter of hold_us has gone
 */
struct hold {
	const char *command; /* with %u for microseconds: "SPIN %u\r\n"; %s for seconds: "DEBUG SLEEP %s" */
	bool sleeps;	     /* it waits and burns nothing */
	bool answers;	     /* it replies once over; the reply (one line) is read and dropped */
};
extern const struct hold hold_spin; /* SPIN, no reply */

/* Begins to hold the server for `us` microseconds and returns when the hold has begun. */
void server_hold(struct server *s, struct client *holder, const struct hold *hold, uint32_t us);

/*
 * One round of the counter: hold (NULL: none), one `request` on each of the
 * k clients, all replies of `reply_size` bytes collected, quiet again.
 * Times are CLOCK_REALTIME in ns, as in strace's log.
 */
struct round {
	uint64_t start;			/* before the hold was sent: quiet */
	uint64_t first_send, last_send; /* before the batch's first byte, after its last */
	uint64_t end;			/* quiet again */
	bool exact;			/* traced: the log shows that the hold outlasted the sending (unheld: always) */
};
struct round server_round(struct server *s, struct client *holder, const struct hold *hold, uint32_t hold_us,
			  struct client **clients, size_t k, const char *request, size_t reply_size);

/* ---- the strace log ---- */

struct crossing {
	pid_t tid;
	uint64_t start, end; /* CLOCK_REALTIME ns: entered, returned */
	const char *name;    /* folded: pselect6 is "select", ppoll "poll", epoll_pwait "epoll_wait" */
	const char *args;    /* as strace prints them */
	long result;
	const char *error; /* "EAGAIN", or NULL */
	const char *raw;   /* the line as strace wrote it, without tid and times */
};

/* The crossings that returned in [from, to), in order of return; the array is the server's, valid until the next call. */
const struct crossing *server_crossings(struct server *s, uint64_t from, uint64_t to, size_t *count);

uint64_t now_ns(void); /* CLOCK_REALTIME */

/* Calls of any name (NULL), or of one, that returned since `from`; quiet is awaited first. */
size_t server_calls(struct server *s, uint64_t from, const char *name);

/*
 * The price of a request at batch size k, per call: exact, by held rounds
 * (see hold.c). `prices` is filled with folded names, sorted;
 * returns how many, or −1 with *why set to a sentence where no exact count
 * could be had. Where a ring is entered to submit, the last row is "operations": the
 * sum of io_uring_enter's results. It is no crossing, and no part of price_total().
 */
struct price {
	char name[32];
	double per_request;
};
struct count_options {
	size_t k;
	size_t rounds;		 /* that must be exact and agree: 5 */
	size_t idle;		 /* silent connections besides */
	const struct hold *hold; /* NULL: unheld, for a thread per connection */
	const char *request;	 /* "PING\r\n" */
	size_t reply_size;	 /* 7 */
	double tolerance;	 /* rounds may differ by this many calls (redis' timer): 0 */
	const char *unix_path;	 /* as in client_options */
};
int server_price(struct server *s, const struct count_options *options, struct price *prices, size_t max,
		 const char **why);
double price_total(const struct price *prices, int count);
extern const char PRICE_OPERATIONS[]; /* "operations" */

#endif
