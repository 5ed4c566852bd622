/*
 * poll: an array of descriptors instead of a set of bits, so no wall at 1024;
 * but the kernel still walks all of it at every call, and so do we.
 *
 * Crossings: 2 + 1/k a request, where k requests are ready at a wake-up.
 * Needs Linux 2.6.28 (accept4).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

static int listen_fd;
static bool accept_paused;
static struct pollfd *polled; /* the listener, then the connections in any order */
static struct conn **conns;   /* conns[i] is the one whose descriptor stands in polled[i]; conns[0] is NULL */
static nfds_t count, room;

static void conn_close(struct conn *c)
{
	close(c->fd);
	/* TODO 3.2: The cost the counter can't see */
	/* A hole: poll passes over an entry whose descriptor is negative. */
	polled[c->slot] = (struct pollfd){ .fd = -1 };
	conns[c->slot] = NULL;
	conn_retire(c); /* whoever called us may still look at it: free it after the batch */
}

/* Asks, from the next wait on, to be told of what the connection waits for. */
static void watch(struct conn *c)
{
	/* TODO 3.4: Half-closed, still owed */
	if (c->fd >= 0)
		polled[c->slot].events = POLLIN | (conn_unsent(c) > 0 ? POLLOUT : 0);
}

/* Puts a descriptor at the end of the array. False when there is no memory for a longer one. */
static bool add(int fd, struct conn *c)
{
	/* TODO 3.1: An array that grows */
	/* Room for what select can be asked about. Whoever comes later is turned away. */
	static struct pollfd few_polled[FD_SETSIZE];
	static struct conn *few_conns[FD_SETSIZE];
	polled = few_polled;
	conns = few_conns;
	room = FD_SETSIZE;
	if (count == room || fd >= FD_SETSIZE)
		return false;
	polled[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	conns[count] = c;
	if (c)
		c->slot = (uint32_t)count;
	count++;
	return true;
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

	/* TODO 3.4, continued */
	/* An end of file: the client is gone. */
	if (n > 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		conn_close(c);
}

static void on_accept(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		accept_paused = accept_failed(errno) == ACCEPT_FULL;
		return;
	}
	struct conn *c = conn_new(fd);
	if (c && add(fd, c))
		return;
	if (c)
		conn_free(c);
	close(fd);
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
	listen_fd = polled[0].fd = -1; /* which poll skips */
	for (struct conn *c = conn_first(); c; c = conn_after(c)) {
		on_event(c, true, false);
		if (c->fd >= 0)
			serve(c, conn_feed(c, NULL, 0));
	}
	conn_reap();
}

/* TODO 3.1, continued */
/* Asks about `polled`, in the way of chapter 2: the array becomes sets of bits, and the answer becomes an array. */
static int ask(int timeout_ms)
{
	struct timeval timeout = { .tv_usec = timeout_ms * 1000 };
	fd_set readable, writable;
	int highest = -1;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	for (nfds_t i = 0; i < count; i++) {
		if (polled[i].fd >= 0 && (polled[i].events & POLLIN))
			FD_SET(polled[i].fd, &readable);
		if (polled[i].fd >= 0 && (polled[i].events & POLLOUT))
			FD_SET(polled[i].fd, &writable);
		highest = polled[i].fd > highest ? polled[i].fd : highest;
	}
	int n = select(highest + 1, &readable, &writable, NULL, timeout_ms < 0 ? NULL : &timeout);
	for (nfds_t i = 0; n > 0 && i < count; i++) {
		bool r = polled[i].fd >= 0 && FD_ISSET(polled[i].fd, &readable);
		bool w = polled[i].fd >= 0 && FD_ISSET(polled[i].fd, &writable);
		polled[i].revents = (short)((r ? POLLIN : 0) | (w ? POLLOUT : 0));
	}
	return n;
}

static void event_loop(void)
{
	while (listen_fd >= 0 || conn_first()) {
		/* Even where no event is asked for, poll reports that the listener was shut down. */
		polled[0].events = accept_paused ? 0 : POLLIN;
		/* TODO 3.1, continued */
		int n = ask(accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See poll(2).");
		accept_paused = false;
		/* TODO 3.3: Remove while iterating */
		for (nfds_t i = 0; n > 0 && i < count; i++) {
			short events = polled[i].revents;
			if (events == 0)
				continue;
			polled[i].revents = 0;
			on_event(conns[i], events != POLLOUT, events & POLLOUT);
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
	if (!add(listen_fd, NULL))
		die("cannot make an array", "Is there memory left?");
	event_loop();
	return 0;
}
