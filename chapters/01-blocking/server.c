/*
 * Blocking calls, and a thread for each connection: the simplest thing that
 * serves many. A thread that waits holds a stack, and every request costs a
 * context switch there and back.
 *
 * Crossings: 2 a request, however many are ready at once.
 * Needs Linux 2.6.28 (accept4).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "startup.h"

#define REFUSAL "-ERR too many connections\r\n"

enum { STACK_SIZE = 256 * 1024 }; /* of a thread; only the pages it touches are resident */

static int listen_fd;
static long threads, threads_max = 4000;		 /* at the bound, a new connection is refused */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of threads, and of the list of connections */
static pthread_cond_t one_left = PTHREAD_COND_INITIALIZER;

static void conn_close(struct conn *c)
{
	pthread_mutex_lock(&lock);
	close(c->fd); /* within the lock: CLIENT KILL must not meet a descriptor that is in use again */
	conn_free(c);
	threads--;
	pthread_cond_signal(&one_left);
	pthread_mutex_unlock(&lock);
}

/* False when the peer takes no more. A blocking write returns early only for a signal. */
static bool on_writable(struct conn *c)
{
	/* TODO 1.2: Sixteen requests, two crossings */
	/* A reply ends with its line: send as far as that, and come back for the next one. */
	const char *end = memchr(conn_out(c), '\n', conn_unsent(c));
	ssize_t n = write(c->fd, conn_out(c), end ? (size_t)(end + 1 - conn_out(c)) : conn_unsent(c));

	/* TODO 1.3: Outlive the peer */
	if (n < 0)
		die("cannot write to a client", "Start the server again.");
	conn_sent(c, (size_t)n);
	return true;
}

/* Another thread may be reading from it: wake that one, by an end of file, and let it close. */
static void kill_victim(struct conn *c)
{
	pthread_mutex_lock(&lock);
	struct conn *victim = conn_victim(c);
	if (victim)
		shutdown(victim->fd, SHUT_RDWR);
	pthread_mutex_unlock(&lock);
}

/* Does what the connection needs, until that is to read. False when it is to be closed. */
static bool serve(struct conn *c, enum verdict verdict)
{
	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		case CONN_WRITE:
			if (on_writable(c))
				break;
			return false;
		case CONN_READ:
		case CONN_WAIT:
			return true;
		case CONN_WORK:
		case CONN_SPIN:
			burn_us(c->cpu_us);
			if (c->wait_us > 0)
				usleep(c->wait_us);
			conn_worked(c);
			break;
		case CONN_KILL:
			kill_victim(c);
			break;
		case CONN_CLOSE:
			return false;
		}
	}
}

/* Waits for bytes. False when the connection is to be closed. */
static bool on_readable(struct conn *c)
{
	char bytes[READ_SIZE];
	ssize_t n = read(c->fd, bytes, sizeof(bytes));

	/* TODO 1.3, continued */
	if (n < 0)
		die("cannot read from a client", "Start the server again.");
	/* TODO 1.1: Requests arrive in pieces */
	/* A read returns a request. One that is not answered lacks its line end: here it is. */
	enum verdict verdict = conn_feed(c, bytes, (size_t)n);
	if (verdict == CONN_READ)
		verdict = conn_feed(c, "\r\n", 2);
	return serve(c, verdict);
}

/* A connection's life, on whichever thread this is. */
static void *on_event(void *conn)
{
	while (on_readable(conn))
		;
	conn_close(conn);
	return NULL;
}

static void on_accept(int fd)
{
	/* TODO 1.4: One slow client stops everyone */
	/* Serves this client until it leaves. The next one waits. */
	struct conn *c = conn_new(fd);
	if (!c) {
		close(fd);
		return;
	}
	threads++; /* conn_close() counts it out again */
	on_event(c);
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	pthread_mutex_lock(&lock);
	for (struct conn *c = conn_first(); c; c = conn_after(c))
		shutdown(c->fd, SHUT_RD); /* a thread that waits for bytes reads an end of file */
	while (threads > 0)
		pthread_cond_wait(&one_left, &lock);
	pthread_mutex_unlock(&lock);
}

static void event_loop(void)
{
	while (!stopping) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		/* TODO 1.5: Out of descriptors */
		/* Where no connection came of it, go on with the next. */
		if (fd >= 0)
			on_accept(fd);
	}
	drain();
}

int main(int argc, char **argv)
{
	static const struct server_option own[] = {
		{ "threads", &threads_max, 1, 30000, "connections served at once, a thread each" },
		{ 0 },
	};

	listen_fd = listen_socket(argc, argv, 0, own);
	/* TODO 1.3, continued */
	event_loop();
	return 0;
}
