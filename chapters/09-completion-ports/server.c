/*
 * Completion ports: a pool of workers waits for completions, and the port
 * decides how many of them run. Any worker continues any connection.
 *
 * A connection has one operation in flight: a receive, then a send, then a
 * receive. Whoever is given its completion owns the connection until it starts
 * the next: so no connection needs a lock, and none is in two hands.
 * Needs Linux 6.0 (see port.c).
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "port.h"
#include "startup.h"

enum { WORKERS_MAX = 1024 };

static struct port *port;
static int listen_fd;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER; /* of the list of all connections, and what it says */
static bool draining;

/* Nothing is in flight: its one operation is ours. */
static void conn_close(struct conn *c, struct operation *o)
{
	pthread_mutex_lock(&list_lock);
	close(c->fd); /* under the lock, so that kill_victim() never shuts another's socket down */
	conn_free(c);
	bool last = draining && !conn_first();
	pthread_mutex_unlock(&list_lock);
	free(o);
	if (last)
		port_close(port);
}

/* Its owner may be another worker, or its operation is in flight. Either way its next completion is its end. */
static void kill_victim(struct conn *c)
{
	pthread_mutex_lock(&list_lock);
	struct conn *victim = conn_victim(c);
	if (victim)
		shutdown(victim->fd, SHUT_RDWR);
	pthread_mutex_unlock(&list_lock);
}

static void work(struct conn *c)
{
	burn_us(c->cpu_us);
	if (c->wait_us > 0) {
		port_block(port); /* the port can't see it */
		usleep(c->wait_us);
		port_unblock(port);
	}
	conn_worked(c);
}

/* Does what the connection needs, until the next step is the peer's. From there on another worker may own it. */
static void serve(struct conn *c, struct operation *o, enum verdict verdict)
{
	for (;; verdict = conn_next(c)) {
		switch (verdict) {
		case CONN_WRITE:
			conn_lend(c);
			port_send(port, c->fd, o, conn_out(c), conn_unsent(c));
			return;
		case CONN_READ:
		case CONN_WAIT:
			port_recv(port, c->fd, o);
			return;
		case CONN_WORK:
		case CONN_SPIN:
			work(c);
			break;
		case CONN_KILL:
			kill_victim(c);
			break;
		case CONN_CLOSE:
			conn_close(c, o);
			return;
		}
	}
}

static void on_sent(struct conn *c, struct operation *o)
{
	conn_sent(c, o->result > 0 ? (size_t)o->result : 0);
	if (o->result >= 0 || o->result == -EAGAIN || o->result == -EINTR)
		serve(c, o, conn_next(c));
	else
		conn_close(c, o);
}

static void on_received(struct conn *c, struct operation *o)
{
	enum verdict verdict = CONN_READ;

	if (o->result >= 0)
		verdict = conn_feed(c, o->bytes, (size_t)o->result);
	else if (o->result != -EAGAIN && o->result != -EINTR)
		verdict = CONN_CLOSE;
	port_give(port, o);
	serve(c, o, verdict);
}

static void conn_open(int fd)
{
	struct operation *o = calloc(1, sizeof(*o));

	pthread_mutex_lock(&list_lock);
	struct conn *c = o ? conn_new(fd) : NULL;
	pthread_mutex_unlock(&list_lock);
	if (c && port_associate(port, fd, c) == 0) {
		serve(c, o, CONN_READ);
	} else if (c) {
		conn_close(c, o);
	} else {
		close(fd);
		free(o);
	}
}

/* Told to stop: each client gets the replies to what it has sent, and then the end. */
static void drain(void)
{
	close(listen_fd);
	pthread_mutex_lock(&list_lock);
	draining = true;
	for (struct conn *c = conn_first(); c; c = conn_after(c))
		shutdown(c->fd, SHUT_RD); /* what has arrived is received, and then the end */
	bool last = !conn_first();
	pthread_mutex_unlock(&list_lock);
	if (last)
		port_close(port);
}

/* One accept at a time, so none is under way when the server drains. */
static void on_accept(struct operation *o)
{
	enum accept_verdict verdict = ACCEPT_NEXT;

	if (o->result >= 0)
		conn_open(o->result);
	else
		verdict = accept_failed(-o->result);
	if (verdict == ACCEPT_DRAINED && stopping)
		drain();
	else if (verdict == ACCEPT_FULL)
		port_timer(port, o, ACCEPT_RETRY_MS);
	else
		port_accept(port, listen_fd, o);
}

static void on_event(struct operation *o)
{
	if (o->kind == PORT_RECV)
		on_received(o->key, o);
	else if (o->kind == PORT_SEND)
		on_sent(o->key, o);
	else if (o->kind == PORT_TIMER)
		port_accept(port, listen_fd, o);
	else
		on_accept(o);
}

static void *event_loop(void *argument)
{
	struct operation *o;

	while ((o = port_wait(port)))
		on_event(o);
	return argument;
}

int main(int argc, char **argv)
{
	static long workers = 16, concurrency = 0;
	static const struct server_option own[] = {
		{ "workers", &workers, 1, WORKERS_MAX, "threads that wait for completions" },
		{ "concurrency", &concurrency, 0, WORKERS_MAX,
		  "how many of them run at a time; 0: one for each processor" },
		{ 0 },
	};
	static pthread_t threads[WORKERS_MAX];
	static struct operation accept_operation;

	read_options(argc, argv, own);
	port = port_create((unsigned)concurrency);
	listen_fd = listen_socket(argc, argv, 0, own);
	port_accept(port, listen_fd, &accept_operation);
	for (long i = 0; i < workers; i++) {
		errno = pthread_create(&threads[i], NULL, event_loop, NULL);
		if (errno)
			die("cannot make the workers", "Choose fewer of them: --workers N.");
	}
	for (long i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
	port_free(port);
	return 0;
}
