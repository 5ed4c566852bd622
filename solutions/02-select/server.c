/*
 * select: one thread asks about many descriptors at once, by three sets of
 * bits. The kernel writes its answer over the question, and the sets end at
 * FD_SETSIZE.
 *
 * Crossings: 2 + 1/k a request, where k requests are ready at a wake-up.
 * Needs Linux 2.6.28 (accept4).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

#define REFUSAL "-ERR too many connections\r\n"

static int listen_fd;
static bool accept_paused;
static fd_set want_read, want_write;   /* what to ask at the next wait */
static struct conn *conns[FD_SETSIZE]; /* by descriptor; NULL for the listener and where there is none */
static int highest;		       /* no descriptor above it is asked about */

static void set(int fd, fd_set *fds, bool wanted)
{
	if (wanted)
		FD_SET(fd, fds);
	else
		FD_CLR(fd, fds);
}

/* While it is paused, ask whether it is writable: a listener is, once it was shut down, and only then. */
static void watch_listener(void)
{
	if (listen_fd < 0)
		return;
	set(listen_fd, &want_read, !accept_paused);
	set(listen_fd, &want_write, accept_paused);
}

static void conn_close(struct conn *c)
{
	set(c->fd, &want_read, false);
	set(c->fd, &want_write, false);
	conns[c->fd] = NULL;
	while (highest > listen_fd && !conns[highest])
		highest--;
	close(c->fd);
	conn_retire(c); /* whoever called us may still look at it: free it after the batch */
}

/* Asks, from the next wait on, to be told of what the connection waits for. */
static void watch(struct conn *c)
{
	if (c->fd < 0)
		return;
	set(c->fd, &want_read, conn_wants_read(c));
#ifndef NAIVE_2_3
	set(c->fd, &want_write, conn_unsent(c) > 0);
#else
	/* TODO 2.3 */
	if (conn_unsent(c) > 0)
		set(c->fd, &want_write, true);
#endif
}

/* False when the socket has no room for all of it: the rest waits; or when c had to be closed. */
static bool on_writable(struct conn *c)
{
	ssize_t n = write(c->fd, conn_out(c), conn_unsent(c));

	if (n < 0 && errno == EINTR)
		return true; /* the next verdict is to write again */
#ifndef NAIVE_2_2
	if (n >= 0)
		conn_sent(c, (size_t)n);
	else if (errno != EAGAIN)
		conn_close(c);
	return n >= 0 && conn_unsent(c) == 0;
#else
	/* TODO 2.2 */
	/* A blocking write has taken all of it, unless a signal cut it short: then the next verdict is to write again. */
	if (n >= 0)
		conn_sent(c, (size_t)n);
	else
		conn_close(c);
	return n >= 0;
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
			watch(c);
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
#ifndef NAIVE_2_2
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
	/* TODO 2.2 */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
#endif

	if (fd < 0) {
		accept_paused = accept_failed(errno) == ACCEPT_FULL;
		return;
	}
#ifndef NAIVE_2_4
	struct conn *c = fd < FD_SETSIZE ? conn_new(fd) : NULL;
	if (!c) {
		/* FD_SET beyond FD_SETSIZE writes past the end of the set: undefined behaviour. */
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
#else
	/* TODO 2.4 */
	struct conn *c = conn_new(fd);
	if (!c) {
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
#endif
	conns[fd] = c;
	highest = fd > highest ? fd : highest;
	watch(c);
}

/* No connection: the event is the listener's. */
static void on_event(struct conn *c, bool readable, bool writable)
{
	if (!c)
		on_accept();
	if (c && c->fd >= 0 && writable)
		serve(c, conn_next(c));
	if (c && c->fd >= 0 && readable && conn_wants_read(c))
		on_readable(c);
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	set(listen_fd, &want_read, false);
	set(listen_fd, &want_write, false);
	listen_fd = -1;
	for (struct conn *c = conn_first(); c; c = conn_after(c)) {
		on_event(c, true, false);
		if (c->fd >= 0)
			serve(c, conn_feed(c, NULL, 0));
	}
	conn_reap();
}

static void event_loop(void)
{
	while (listen_fd >= 0 || conn_first()) {
		watch_listener();
#ifndef NAIVE_2_1
		struct timeval retry = { .tv_usec = ACCEPT_RETRY_MS * 1000 };
		fd_set readable = want_read, writable = want_write;
		int n = select(highest + 1, &readable, &writable, NULL, accept_paused ? &retry : NULL);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See select(2).");
		accept_paused = false;
		for (int fd = 0; n > 0 && fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &readable), w = FD_ISSET(fd, &writable);
			if ((r || w) && (conns[fd] || fd == listen_fd)) /* else closed earlier in this batch */
				on_event(conns[fd], r, w);
		}
#else
		/* TODO 2.1 */
		/* Ask nobody, try everybody. A read that may wait holds up all others; reads that may not never sleep. */
		for (int fd = 0; fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &want_read), w = FD_ISSET(fd, &want_write);
			if ((r || w) && (conns[fd] || fd == listen_fd))
				on_event(conns[fd], r, w);
		}
#endif
		conn_reap();
		if (stopping && listen_fd >= 0)
			drain();
	}
}

int main(int argc, char **argv)
{
	listen_fd = listen_socket(argc, argv, SOCK_NONBLOCK, NULL);
	signal(SIGPIPE, SIG_IGN); /* a write to a peer that has left fails with EPIPE instead */
	highest = listen_fd;
	event_loop();
	return 0;
}
