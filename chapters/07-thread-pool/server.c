/*
 * An event loop with a thread pool (pool.c). The loop reads, writes and never
 * waits; work that computes, or sleeps, is handed to the pool. What is done
 * comes back as an event like any other: the eventfd becomes readable.
 *
 * Crossings: 2 + 1/k a request, where k requests are ready at a wake-up. To
 * come back, WORK costs a write, a wait and a read, which all that is done at
 * the same time share; to hand it over, see pool.c.
 * Needs Linux 2.6.28 (accept4, epoll_create1, eventfd2).
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "pool.h"
#include "startup.h"

enum {
	EVENTS_MAX = 256, /* events of one wait; the others come with the next */
	ACCEPTS_MAX = 64, /* connections accepted in a row; the others wait for a turn */
	READS_MAX = 4,	  /* reads of one connection in a row; then the others have a turn */
};

static int listen_fd, epoll_fd;
static bool accept_paused;
static struct conn *ready; /* has bytes still, and the kernel will not say so again */
static int done_fd = -1;   /* the pool's eventfd */
static long threads = POOL_MEASURE, queue = 128;

/* TODO 7.2: Come back to the loop */
/* An event names a connection, or NULL for the listener. How would one name the pool? */
/* How long a result may lie there before the loop looks for it: */
enum { TICK_MS = 10 };

/* TODO 7.4: Full is an answer */
/* Whoever finds the pool full must stand somewhere: conn.h has a list for that. */

/* Even where no event is asked for, epoll reports that the listener was shut down. */
static void watch_listener(int how, bool paused)
{
	struct epoll_event event = { .events = paused ? 0 : EPOLLIN };

	accept_paused = paused;
	if (epoll_ctl(epoll_fd, how, listen_fd, &event))
		die("cannot watch the listening socket", "See epoll_ctl(2).");
}

static void conn_close(struct conn *c)
{
	close(c->fd); /* which takes it off the interest list, too */
	/* A later event of this batch may point to it, and the ready list as well: take_turns() retires what is on that. */
	c->fd = -1;
	if (!c->queued)
		conn_retire(c);
}

/* Asks, once for all, to be told when bytes or room arrive, or the peer's end. */
static void watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		conn_close(c);
}

/* False when the socket has no room for all of it: the rest waits; or when c had to be closed. */
static bool on_writable(struct conn *c)
{
	ssize_t n = write(c->fd, conn_out(c), conn_unsent(c));

	if (n < 0 && errno == EINTR)
		return true; /* the next verdict is to write again */
	if (n >= 0)
		conn_sent(c, (size_t)n);
	else if (errno != EAGAIN)
		conn_close(c);
	return n >= 0 && conn_unsent(c) == 0;
}

/* Work that the pool has no room for waits, and its connection is not read meanwhile. */
static void hand_over(struct conn *c)
{
	if (pool_submit(c))
		return;
	/* TODO 7.4, continued */
	/* The pool has enough to do: lend a hand. */
	burn_us(c->cpu_us);
	if (c->wait_us > 0)
		usleep(c->wait_us);
	conn_worked(c);
}

/* Does what the connection needs, until the next step is the peer's. */
static void serve(struct conn *c, enum verdict verdict)
{
	struct conn *victim;

	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		case CONN_WRITE:
			if (on_writable(c))
				break;
			/* fall through */
		case CONN_READ:
		case CONN_WAIT:
			return;
		case CONN_WORK:
			if (threads != 0) {
				hand_over(c);
				/* TODO 7.3: In order */
				/* The pool has it. So the next request of this connection may be answered meanwhile. */
				if (!c->parked) {
					c->silent = true;
					conn_worked(c);
				}
				break;
			}
			/* fall through */
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

static void on_readable(struct conn *c)
{
	static char bytes[READ_SIZE];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	c->readable = n >= 0 || errno != EAGAIN; /* nothing else says that there are no more */
	/* A short read says so too (epoll(7), Q9). But behind the last bytes the end may stand, which is read like bytes. */
	if (n > 0 && (size_t)n < sizeof(bytes) && !c->told_end)
		c->readable = false;
	if (n >= 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(c);
}

static void on_accept(void)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			enum accept_verdict verdict = accept_failed(errno);
			if (verdict == ACCEPT_FULL)
				watch_listener(EPOLL_CTL_MOD, true);
			if (verdict == ACCEPT_NEXT)
				continue;
			return;
		}
		struct conn *c = conn_new(fd);
		if (c)
			watch(c);
		else
			close(fd);
	}
}

static bool has_turn(const struct conn *c)
{
	return c->fd >= 0 && c->readable && conn_wants_read(c);
}

/* No connection: the event is the listener's. A closed one: the event is stale. */
static void on_event(struct conn *c, bool readable, bool writable)
{
	if (!c) {
		on_accept();
		return;
	}
	c->readable = readable; /* an event tells the whole state: if not of bytes, there are none */
	if (c->fd >= 0 && writable)
		serve(c, conn_next(c));
	for (int i = 0; i < READS_MAX && has_turn(c); i++)
		on_readable(c);
	if (has_turn(c) && !c->queued) {
		c->queued = true;
		c->link = ready;
		ready = c;
	}
}

/* TODO 7.4, continued */
/* Who gives them their turn? */

/* What the pool has done comes back to the connections, which go on where they stopped. */
static void on_done(void)
{
	for (struct conn *c = pool_collect(); c; c = pool_next()) {
		if (c->fd < 0)
			continue; /* closed meanwhile */
		/* TODO 7.3, continued */
		/* Its reply is due, and if it waits for this one, it goes on. */
		if (c->working && !c->parked)
			conn_worked(c);
		else
			conn_reply(c, "+DONE\r\n");
		on_event(c, c->readable, true);
	}
}

/* One turn for each that has bytes still; who has more after that is on the list again, for the next time. */
static void take_turns(void)
{
	struct conn *c = ready;

	ready = NULL;
	while (c) {
		struct conn *next = c->link;
		c->queued = false;
		if (c->fd >= 0)
			on_event(c, c->readable, false);
		else
			conn_retire(c);
		c = next;
	}
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	listen_fd = -1;
	accept_paused = false;
	for (struct conn *c = conn_first(); c; c = conn_after(c)) {
		on_event(c, true, false);
		if (c->fd >= 0)
			serve(c, conn_feed(c, NULL, 0));
	}
	conn_reap();
}

static void event_loop(void)
{
	struct epoll_event events[EVENTS_MAX];

	while (listen_fd >= 0 || conn_first()) {
		/* TODO 7.2, continued */
		/* Nobody says when work is done, so the loop looks now and then. */
		int timeout = ready ? 0 : TICK_MS;
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, timeout);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
		if (accept_paused)
			watch_listener(EPOLL_CTL_MOD, false);
		take_turns();
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c && (events[i].events & EPOLLRDHUP))
				c->told_end = true;
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
		}
		/* TODO 7.2, continued */
		on_done();
		conn_reap();
		if (stopping && listen_fd >= 0)
			drain();
	}
}

/* TODO 7.2, continued */
/* What does a thread write to, and an event loop wait for? */

static const struct server_option options[] = {
	{ "threads", &threads, POOL_MEASURE, THREADS_MAX, "workers; 0: none; -1: as many as the work needs" },
	{ "queue", &queue, 1, 65535, "work that may wait for a worker" },
	{ 0 },
};

int main(int argc, char **argv)
{
	listen_fd = listen_socket(argc, argv, SOCK_NONBLOCK, options);
	signal(SIGPIPE, SIG_IGN); /* a write to a peer that has left fails with EPIPE instead */
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("cannot make an epoll instance", "See epoll_create1(2).");
	watch_listener(EPOLL_CTL_ADD, false);
	/* TODO 7.2, continued */
	if (threads != 0)
		pool_start(threads, queue, done_fd);
	event_loop();
	pool_report();
	return 0;
}
