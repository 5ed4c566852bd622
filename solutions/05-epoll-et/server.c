/*
 * epoll, edge-triggered: the kernel tells once, when bytes arrive, and not
 * again that they are still there. So the server remembers who has bytes, and
 * reads until there are none. In return nothing is ever registered twice.
 *
 * Crossings: 2 + 1/k a request, where k requests are ready at a wake-up.
 * Needs Linux 2.6.28 (accept4, epoll_create1).
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

enum {
	EVENTS_MAX = 256, /* events of one wait; the others come with the next */
	ACCEPTS_MAX = 64, /* connections accepted in a row; the others wait for a turn */
	READS_MAX = 4,	  /* reads of one connection in a row; then the others have a turn */
};

static int listen_fd, epoll_fd;
static bool accept_paused;
#ifndef NAIVE_5_4
static struct conn *ready; /* has bytes still, and the kernel will not say so again */
#else
/* TODO 5.4 */
/* Whoever has bytes left after a turn must stand somewhere until the next: conn.h has `queued` and `link` for that. */
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
#ifndef NAIVE_5_4
	/* A later event of this batch may point to it, and the ready list as well: take_turns() retires what is on that. */
	c->fd = -1;
	if (!c->queued)
		conn_retire(c);
#else
	/* TODO 5.4 */
	/* A later event of this batch may point to it: free it after the batch. */
	conn_retire(c);
#endif
}

#ifndef NAIVE_5_2
/* Asks, once for all, to be told when bytes or room arrive, or the peer's end. */
static void watch(struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event))
		conn_close(c);
}
#else
/* TODO 5.2 */
/* Asks to be told of what the connection waits for, where that has changed; and of the peer's end. */
static void watch(struct conn *c)
{
	uint32_t wanted = (conn_wants_read(c) ? EPOLLIN : 0) | (conn_unsent(c) > 0 ? EPOLLOUT : 0);
	struct epoll_event event = { .events = wanted | EPOLLRDHUP | EPOLLET, .data.ptr = c };
	int how = c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (c->fd < 0 || event.events == c->events)
		return;
	c->events = event.events;
	if (epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
}
#endif

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
#ifndef NAIVE_5_2
#else
			/* TODO 5.2 */
			watch(c); /* what it waits for may have changed */
#endif
			return;
		case CONN_WORK:
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

#ifndef NAIVE_5_1
	c->readable = n >= 0 || errno != EAGAIN; /* nothing else says that there are no more */
#else
	/* TODO 5.1 */
	/* The event is dealt with. If there are more bytes, another one will say so. */
	c->readable = false;
#endif
#ifndef NAIVE_5_3
	/* A short read says so too (epoll(7), Q9). But behind the last bytes the end may stand, which is read like bytes. */
	if (n > 0 && (size_t)n < sizeof(bytes) && !c->told_end)
		c->readable = false;
#else
	/* TODO 5.3 */
	/* Each request costs a second read, which only says EAGAIN. */
#endif
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
#ifndef NAIVE_5_4
	for (int i = 0; i < READS_MAX && has_turn(c); i++)
		on_readable(c);
	if (has_turn(c) && !c->queued) {
		c->queued = true;
		c->link = ready;
		ready = c;
	}
#else
	/* TODO 5.4 */
	/* All of it, however much that is. */
	while (has_turn(c))
		on_readable(c);
#endif
}

#ifndef NAIVE_5_4
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
#else
/* TODO 5.4 */
/* Who gives them that turn? */
#endif

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
#ifndef NAIVE_5_4
		int timeout = ready ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1;
#else
		/* TODO 5.4 */
		int timeout = accept_paused ? ACCEPT_RETRY_MS : -1;
#endif
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, timeout);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
		if (accept_paused)
			watch_listener(EPOLL_CTL_MOD, false);
#ifndef NAIVE_5_4
		take_turns();
#else
#endif
		for (int i = 0; i < n; i++) {
#ifndef NAIVE_5_3
			struct conn *c = events[i].data.ptr;
			if (c && (events[i].events & EPOLLRDHUP))
				c->told_end = true;
#else
			/* TODO 5.3 */
			/* on_readable() never learns what else the event said. */
#endif
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
		}
		conn_reap();
		if (stopping && listen_fd >= 0)
			drain();
	}
}

int main(int argc, char **argv)
{
	listen_fd = listen_socket(argc, argv, SOCK_NONBLOCK, NULL);
	signal(SIGPIPE, SIG_IGN); /* a write to a peer that has left fails with EPIPE instead */
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("cannot make an epoll instance", "See epoll_create1(2).");
	watch_listener(EPOLL_CTL_ADD, false);
	event_loop();
	return 0;
}
