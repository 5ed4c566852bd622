/*
 * A completion port, the one that Windows has: operations are handed over
 * with a call each, and completions are taken from the port, many at a time.
 * One thread does so: what a port adds for several is 9.2's, and Wine, where
 * this runs without Windows, ignores how many may run.
 *
 * An idle connection waits in a receive of no bytes: it completes when some
 * have come, and they are then fetched into the one buffer. So the wait pins
 * no memory; the price is a second call for each request.
 * Needs Windows Vista (GetQueuedCompletionStatusEx, CancelIoEx), or Wine.
 */
#include <winsock2.h>

#include <mswsock.h>
#include <stdlib.h>

#include "conn.h"
#include "startup.h"

enum {
	COMPLETIONS = 256,				/* of one turn; the others come with the next */
	ADDRESS_ROOM = sizeof(struct sockaddr_in) + 16, /* as AcceptEx wants it */
#ifndef NAIVE_9_3
	FIRST_BYTES = 0, /* an accept with room for bytes is not over before the client has sent some */
#else
	/* TODO 9.3 */
	FIRST_BYTES = 1024, /* the first request comes with the connection, which saves a call */
#endif
};

/* The kernel's from the start of the operation to its completion, which brings it back. */
struct operation {
	OVERLAPPED overlapped; /* first, so that its address is the operation's */
	struct conn *c;	       /* none: it is the listener's */
};

/* A connection's: each in flight once at the most. */
struct pending {
	struct operation receive, send;
};

static HANDLE port;
static SOCKET listen_fd;
static bool accept_paused;
static struct {
	struct operation operation;
	SOCKET fd;				    /* the socket that is to be the next connection */
	char bytes[FIRST_BYTES + 2 * ADDRESS_ROOM]; /* and behind them our address and the client's */
} accepting;

static bool started(bool done)
{
	return done || WSAGetLastError() == WSA_IO_PENDING;
}

static void start_accept(void)
{
	DWORD size;

	accepting.fd = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	accept_paused = !started(AcceptEx(listen_fd, accepting.fd, accepting.bytes, FIRST_BYTES, ADDRESS_ROOM,
					  ADDRESS_ROOM, &size, &accepting.operation.overlapped));
	if (accept_paused)
		closesocket(accepting.fd);
	if (stopping)
		CancelIoEx((HANDLE)listen_fd, NULL); /* the handler's own cancel may have come before this accept */
}

static void conn_close(struct conn *c)
{
	/* Closing cancels what is in flight, too, but under Wine a send only when the peer takes more. */
	CancelIoEx((HANDLE)(SOCKET)c->fd, NULL);
	closesocket((SOCKET)c->fd);
#ifndef NAIVE_9_3
	/* What was cancelled completes all the same, with an error. */
	c->fd = -1;
#else
	/* TODO 9.3 */
	/* Nothing is in flight any more, and nobody needs the connection. */
	free(c->pending);
	conn_retire(c);
#endif
}

/* At the end of each of its completions: a closed connection lives on until the last one that names it. */
static void release(struct conn *c)
{
#ifndef NAIVE_9_3
	if (c->fd >= 0 || c->receiving || c->lent)
		return;
	free(c->pending);
	conn_retire(c);
#else
	/* TODO 9.3 */
	(void)c;
#endif
}

/* Asks to be told of bytes, unless too much is unsent. They stay in the socket until they are fetched. */
static void watch(struct conn *c)
{
	struct pending *pending = c->pending;
	WSABUF nothing = { 0 };
	DWORD flags = 0;

	if (c->receiving || !conn_wants_read(c))
		return;
	pending->receive.overlapped = (OVERLAPPED){ 0 };
	c->receiving = started(!WSARecv((SOCKET)c->fd, &nothing, 1, NULL, &flags, &pending->receive.overlapped, NULL));
	if (!c->receiving)
		conn_close(c);
}

/* Whether it is sent at once or later: a completion tells. Until then the bytes are the kernel's. */
static bool start_send(struct conn *c)
{
	struct pending *pending = c->pending;
	WSABUF bytes = { (ULONG)conn_unsent(c), (char *)conn_out(c) };

	pending->send.overlapped = (OVERLAPPED){ 0 };
	if (started(!WSASend((SOCKET)c->fd, &bytes, 1, NULL, 0, &pending->send.overlapped, NULL)))
		conn_lend(c);
	else
		conn_close(c);
	return c->lent;
}

/* Does what the connection needs, until the next step is the peer's. */
static void serve(struct conn *c, enum verdict verdict)
{
	struct conn *victim;

	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		case CONN_WRITE:
			if (start_send(c))
				break;
			return;
		case CONN_READ:
		case CONN_WAIT:
			watch(c);
			return;
		case CONN_WORK:
		case CONN_SPIN:
			burn_us(c->cpu_us);
			if (c->wait_us > 0)
				Sleep((c->wait_us + 999) / 1000);
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

static void on_sent(struct conn *c, bool done, size_t size)
{
	conn_sent(c, size);
	if (c->fd >= 0) {
		if (done)
			serve(c, conn_next(c));
		else
			conn_close(c);
	}
	release(c);
}

static void receive(struct conn *c)
{
	static char bytes[READ_SIZE];
	int n = recv((SOCKET)c->fd, bytes, sizeof(bytes), 0);

	if (n >= 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (WSAGetLastError() == WSAEWOULDBLOCK)
		watch(c);
	else
		conn_close(c);
}

static void on_received(struct conn *c, bool done)
{
	c->receiving = false;
	if (c->fd >= 0) {
		if (!done)
			conn_close(c);
		else if (conn_wants_read(c))
			receive(c);
	}
	release(c);
}

static struct pending *pending_new(struct conn *c)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending)
		pending->receive.c = pending->send.c = c;
	return pending;
}

/* A connection for the accepted socket, whose completions come to the port. `size` bytes have come with it. */
static void welcome(SOCKET fd, size_t size)
{
	u_long yes = 1;
	struct conn *c = conn_new((int)fd);

	/* Until it knows its listener, the socket has no options of it, and can't be shut down. */
	setsockopt(fd, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listen_fd, sizeof(listen_fd));
	ioctlsocket(fd, (long)FIONBIO, &yes);
	if (c)
		c->pending = pending_new(c);
	if (c && c->pending && CreateIoCompletionPort((HANDLE)fd, port, 0, 0)) {
		serve(c, size > 0 ? conn_feed(c, accepting.bytes, size) : CONN_READ);
		return;
	}
	closesocket(fd);
	if (c) {
		free(c->pending);
		conn_free(c);
	}
}

static void on_accept(bool done, size_t size)
{
	if (done)
		welcome(accepting.fd, size);
	else
		closesocket(accepting.fd);
	if (!stopping)
		start_accept();
}

static void on_event(const OVERLAPPED_ENTRY *entry)
{
	struct operation *o = (struct operation *)entry->lpOverlapped;
	bool done = o->overlapped.Internal == 0; /* STATUS_SUCCESS */

	if (!o->c)
		on_accept(done, entry->dwNumberOfBytesTransferred);
	else if (o == &((struct pending *)o->c->pending)->receive)
		on_received(o->c, done);
	else
		on_sent(o->c, done, entry->dwNumberOfBytesTransferred);
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	closesocket(listen_fd);
	listen_fd = INVALID_SOCKET;
	accept_paused = false;
	for (struct conn *c = conn_first(); c; c = conn_after(c)) {
		if (conn_wants_read(c))
			receive(c);
		if (c->fd >= 0)
			serve(c, conn_feed(c, NULL, 0));
		release(c);
	}
}

static void event_loop(void)
{
	static OVERLAPPED_ENTRY entries[COMPLETIONS];
	ULONG n;

	while (listen_fd != INVALID_SOCKET || conn_first()) {
		DWORD timeout = accept_paused ? ACCEPT_RETRY_MS : INFINITE;
		if (!GetQueuedCompletionStatusEx(port, entries, COMPLETIONS, &n, timeout, FALSE)) {
			if (GetLastError() != WAIT_TIMEOUT)
				die("cannot wait for completions", "See GetQueuedCompletionStatusEx.");
			n = 0;
		}
		if (accept_paused && !stopping)
			start_accept();
		for (ULONG i = 0; i < n; i++)
			on_event(&entries[i]);
		if (stopping && listen_fd != INVALID_SOCKET)
			drain();
		conn_reap();
	}
}

int main(int argc, char **argv)
{
	listen_fd = (SOCKET)listen_socket(argc, argv, 0, NULL);
	port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0,
				      1); /* one of its threads at a time: there is one */
	if (!port || !CreateIoCompletionPort((HANDLE)listen_fd, port, 0, 0))
		die("cannot make a completion port", "See CreateIoCompletionPort.");
	start_accept();
	event_loop();
	return 0;
}
