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

#ifndef NAIVE_7_2
/* No connection: it stands for done_fd in an event. */
static struct conn pool;
#else
/* TODO 7.2 */
/* An event names a connection, or NULL for the listener. How would one name the pool? */
/* How long a result may lie there before the loop looks for it: */
enum { TICK_MS = 10 };
#endif

#ifndef NAIVE_7_4
/* Their work waits for room in the pool. */
static struct list parked;
#else
/* TODO 7.4 */
/* Whoever finds the pool full must stand somewhere: conn.h has a list for that. */
#endif

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
#ifndef NAIVE_7_4
	c->parked = true;
	list_add(&parked, c);
#else
	/* TODO 7.4 */
	/* The pool has enough to do: lend a hand. */
	burn_us(c->cpu_us);
	if (c->wait_us > 0)
		usleep(c->wait_us);
	conn_worked(c);
#endif
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
#ifndef NAIVE_7_3
#else
				/* TODO 7.3 */
				/* The pool has it. So the next request of this connection may be answered meanwhile. */
				if (!c->parked) {
					c->silent = true;
					conn_worked(c);
				}
#endif
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
#ifndef NAIVE_7_4
	if (c->parked && !stopping) /* back-pressure: its bytes stay in the socket, and then in the client's */
		return false;
#else
#endif
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
#ifndef NAIVE_7_4
	if (c->parked && c->fd >= 0)
		list_add(&parked, c); /* where it stands already, but for one that came from the ready list */
#else
#endif
}

#ifndef NAIVE_7_4
/* There may be room: for those that have waited longest. */
static void resume(void)
{
	while (parked.first && pool_submit(parked.first)) {
		struct conn *c = list_take(&parked);
		c->parked = false;
		if (c->fd < 0)
			conn_retire(c);
	}
}
#else
/* TODO 7.4 */
/* Who gives them their turn? */
#endif

/* What the pool has done comes back to the connections, which go on where they stopped. */
static void on_done(void)
{
#ifndef NAIVE_7_2
	uint64_t told;
	if (read(done_fd, &told, sizeof(told)) < 0) /* before the results are taken: what is done later tells again */
		return;
#else
#endif
	for (struct conn *c = pool_collect(); c; c = pool_next()) {
#ifndef NAIVE_7_4
		resume(); /* before c goes on, which may have more work */
#else
#endif
		if (c->fd < 0)
			continue; /* closed meanwhile */
#ifndef NAIVE_7_3
		conn_worked(c);
#else
		/* TODO 7.3 */
		/* Its reply is due, and if it waits for this one, it goes on. */
		if (c->working && !c->parked)
			conn_worked(c);
		else
			conn_reply(c, "+DONE\r\n");
#endif
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
#ifndef NAIVE_7_2
		int timeout = ready ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1;
#else
		/* TODO 7.2 */
		/* Nobody says when work is done, so the loop looks now and then. */
		int timeout = ready ? 0 : TICK_MS;
#endif
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, timeout);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
		if (accept_paused)
			watch_listener(EPOLL_CTL_MOD, false);
		take_turns();
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
#ifndef NAIVE_7_2
			if (c == &pool) {
				on_done();
				continue;
			}
#else
#endif
			if (c && (events[i].events & EPOLLRDHUP))
				c->told_end = true;
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
		}
#ifndef NAIVE_7_2
#else
		/* TODO 7.2 */
		on_done();
#endif
		conn_reap();
		if (stopping && listen_fd >= 0)
			drain();
	}
}

#ifndef NAIVE_7_2
/* Level-triggered, as the listener. */
static void watch_pool(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &pool };

	done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (done_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, done_fd, &event))
		die("cannot watch an eventfd", "See eventfd(2) and epoll_ctl(2).");
}
#else
/* TODO 7.2 */
/* What does a thread write to, and an event loop wait for? */
#endif

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
#ifndef NAIVE_7_2
	watch_pool();
#else
	/* TODO 7.2 */
#endif
	if (threads != 0)
		pool_start(threads, queue, done_fd);
	event_loop();
	pool_report();
	return 0;
}
