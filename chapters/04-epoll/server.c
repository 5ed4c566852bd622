/*
 * epoll, level-triggered: the kernel keeps the interest list, and a wait
 * returns only the connections that are ready. What a wait costs follows
 * those, not how many are registered.
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
};

static int listen_fd, epoll_fd;
static bool accept_paused;

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
	/* Whoever called us may still look at it: free it after the event. */
	conn_retire(c);
}

/* Asks to be told of what the connection waits for, where that has changed. */
static void watch(struct conn *c, int how)
{
	uint32_t events = (conn_wants_read(c) ? EPOLLIN : 0) | (conn_unsent(c) > 0 ? EPOLLOUT : 0);

	/* TODO 4.3: EPOLLOUT only while a reply is stuck */
	if (c->fd < 0)
		return;
	/* TODO 4.1: Register once */
	/* Put c on the interest list, or change what is asked of it there, as watch_listener() does for the listener. */
	(void)how;
	(void)events;
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

/* Does what the connection needs, until the next step is the peer's. */
static void serve(struct conn *c, enum verdict verdict)
{
	struct conn *victim;

	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		/* TODO 4.3, continued */
		/* A reply waits until epoll says that there is room for it. */
		case CONN_WRITE:
		case CONN_READ:
		case CONN_WAIT:
			watch(c, EPOLL_CTL_MOD);
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

	if (n >= 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(c);
}

static void on_accept(void)
{
	/* TODO 4.4: Accept the burst */
	/* One for each wake-up: while others wait, the kernel reports the listener again. */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (accept_failed(errno) == ACCEPT_FULL)
			watch_listener(EPOLL_CTL_MOD, true);
		return;
	}
	struct conn *c = conn_new(fd);
	if (c)
		watch(c, EPOLL_CTL_ADD);
	else
		close(fd);
}

/* No connection: the event is the listener's. A closed one: the event is stale. */
static void on_event(struct conn *c, bool readable, bool writable)
{
	/* TODO 4.2: Outlive a stale event */
	/* The event before this one is over: free what it closed. */
	conn_reap();
	if (!c)
		on_accept();
	/* TODO 4.3, continued */
	if (c && c->fd >= 0 && writable && on_writable(c))
		serve(c, conn_next(c));
	if (c && c->fd >= 0 && readable && conn_wants_read(c))
		on_readable(c);
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
		/* TODO 4.1, continued */
		/* Wait until some of the interest list are ready. This only waits for a signal. */
		pause();
		if (accept_paused)
			watch_listener(EPOLL_CTL_MOD, false);
		/* TODO 4.1, continued */
		/* Hand each event to on_event(). */
		(void)events;
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
