/*
 * conn.h: one connection, as bytes in and bytes out.
 *
 * The kit never makes a system call and never calls back. It is fed what the
 * server read, and answers with a verdict: what this connection needs next.
 * The server acts on the verdict with a call of its own, in plain sight.
 *
 *	bytes --> conn_feed() --> verdict --+
 *	            conn_next() <-- act <---+
 *
 * Not thread-safe, but for this: different connections may be fed and asked
 * from different threads at once. conn_new, conn_free, conn_first, conn_victim
 * and conn_reap touch the list of all connections: hold a lock of your own.
 */
#ifndef CROSSINGS_CONN_H
#define CROSSINGS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	READ_SIZE = 16 * 1024,	  /* what a server asks for in one read; more waits in the socket */
	UNSENT_MAX = 1024 * 1024, /* beyond this much unsent, requests are left unparsed and unread */
};

/* What a connection needs next. */
enum verdict {
	CONN_READ,  /* bytes: wait until the peer sends some */
	CONN_WRITE, /* to write: pass conn_out() and conn_unsent() to the kernel, then conn_sent() */
	CONN_WORK,  /* its work done: c->cpu_us, then c->wait_us, then conn_worked() */
	CONN_SPIN,  /* the same, but always on the thread that runs the event loop, and with no wait */
	CONN_KILL,  /* another connection closed: the one that conn_victim() names */
	CONN_WAIT,  /* nothing until conn_worked() or conn_sent(): its work, or its send, is under way elsewhere */
	CONN_CLOSE, /* nothing, ever: every reply is sent, or memory has run out */
};

/* Bytes: [head, tail) of data are in use. data is NULL while none are. */
struct buf {
	char *data;
	uint32_t head, tail, size;
};

struct conn {
	int fd;			  /* -1 once closed */
	uint64_t id;		  /* CLIENT ID; never used twice */
	struct buf in;		  /* received, not yet parsed: less than one request, but for back-pressure */
	struct buf out;		  /* replies, not yet sent */
	struct conn *prev, *next; /* the list of all connections */
	struct conn *retired;	  /* the list of those that conn_reap() frees */
	uint32_t held;		  /* by a list, by operations in flight: by whoever will name it again */
	bool ended;		  /* the peer will send no more */
	bool closing;		  /* no request after this one is answered: QUIT, or a protocol error */
	bool failed;		  /* memory has run out */
	bool working;		  /* between a verdict to work and conn_worked() */
	bool silent;		  /* that work gets no reply: SPIN */
	bool lent;		  /* the kernel may read `out` at any time: between conn_lend() and conn_sent() */
	uint32_t cpu_us, wait_us; /* the work, in microseconds */
	uint64_t victim;	  /* the id that CLIENT KILL named */

	/* The server's own; the kit does not look at these. */
	uint32_t events;   /* what the kernel was asked to report (3, 4) */
	uint32_t slot;	   /* where it stands in an array (3), in the table of direct descriptors (8) */
	bool readable;	   /* told of bytes, and has not drained them (5) */
	bool told_end;	   /* told of the peer's end, which stands behind its last bytes (5) */
	bool receiving;	   /* a receive is in flight (6) */
	bool quiet;	   /* the send in flight tells only if it fails (6) */
	bool parked;	   /* its work waits for room in the pool (7) */
	bool queued;	   /* stands on a list of the server's (5, 6); list_add() and list_take() see to it */
	bool leaving;	   /* a close is in flight, or linked to what is (8) */
	bool copied;	   /* the kernel copied what was to be sent without a copy (8) */
	int taken;	   /* the result of such a send, until its notification (8) */
	struct conn *link; /* the next one there */
	void *pending;	   /* what the kernel writes to until its operations are complete (9) */
};

/*
 * First come, first served: a list of the server's own. { 0 } is an empty one.
 * A connection stands on one at most, and is held while it does.
 */
struct list {
	struct conn *first, *last;
};

/* Puts `c` behind all others, unless it stands on a list already. */
void list_add(struct list *list, struct conn *c);

/* Takes the first one off; NULL where there is none. */
struct conn *list_take(struct list *list);

/*
 * A connection for the open descriptor `fd`, on the list of all connections.
 * It owns no buffer. Returns NULL when memory has run out: `fd` stays the
 * caller's.
 */
struct conn *conn_new(int fd);

/* Forgets `c`, its buffers included. Does not close its descriptor. */
void conn_free(struct conn *c);

/*
 * For a server that may still hold pointers to `c`, in a batch of events say:
 * sets c->fd to -1 and frees nothing until conn_reap().
 */
void conn_retire(struct conn *c);

/*
 * Frees what has been retired, but for those with c->held above 0. Call it
 * when no other pointers are left: between batches.
 */
void conn_reap(void);

/*
 * The first connection that is not retired, or NULL; then the one after `c`.
 * `c` itself may have been retired meanwhile, others too: the walk goes on.
 */
struct conn *conn_first(void);
struct conn *conn_after(struct conn *c);

/*
 * Gives `c` the `size` bytes at `bytes`, answers the requests they complete,
 * and returns what `c` needs next. The bytes are the caller's again at once.
 * size 0 says that the peer will send no more. Call it only while
 * conn_wants_read(), READ_SIZE bytes at the most: that is what bounds memory.
 */
enum verdict conn_feed(struct conn *c, const void *bytes, size_t size);

/* What `c` needs next, once the last verdict has been acted upon. */
enum verdict conn_next(struct conn *c);

/* True while more bytes may be read for `c`: not at the end, not too much unsent. */
bool conn_wants_read(const struct conn *c);

/* The replies to send: their number in bytes, and the first of them. Valid until the next call about `c`. */
size_t conn_unsent(const struct conn *c);
const char *conn_out(const struct conn *c);

/*
 * For sends that complete later: conn_out() stays where it is, and the replies
 * in it stay the last, until conn_sent(). Bytes may be fed; requests wait.
 */
void conn_lend(struct conn *c);

/* The kernel took the first `size` bytes of conn_out(), which are `c`'s own again. */
void conn_sent(struct conn *c, size_t size);

/* The work is done: its reply is added to those unsent. */
void conn_worked(struct conn *c);

/*
 * After CONN_KILL: the connection to close, or NULL where there is none with
 * that id (nor is there when it is c's own, as in Redis). Adds the reply.
 */
struct conn *conn_victim(struct conn *c);

/* Adds a reply from outside the protocol, "-ERR too many connections\r\n" say. */
void conn_reply(struct conn *c, const char *text);

#endif
