/*
 * A completion port on Linux. Windows' kernel hands completions out itself, to
 * threads that it knows to run or to block. Here a thread of the port's does,
 * the poller: it waits for the ring, and wakes workers. It holds no slot.
 *
 * The ring is a plain one: SINGLE_ISSUER would bind it to one thread, and
 * COOP_TASKRUN would leave a worker's completions undone while it computes.
 * Needs Linux 6.0.
 */
#include "port.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

#include "ring.h"
#include "startup.h"

enum {
	SUBMISSIONS = 64,   /* one is used at a time: each operation is submitted at once */
	COMPLETIONS = 4096, /* beyond, the kernel keeps them until there is room */
	BUFFERS = 256,	    /* bytes received and not yet given back; beyond, receives wait their turn */
	BUFFER_SIZE = 4096,
	KEYS_MIN = 64, /* the first size of the table of keys, which doubles */
};

/* First come, first served. */
struct queue {
	struct operation *first, **end;
};

struct worker {
	sem_t wake;	     /* one each: to wake this worker, and no other */
	struct worker *next; /* on the list on which it stands */
	bool running;	     /* has a slot */
	struct operation *given;
};

struct port {
	struct ring_buffers buffers; /* that the kernel may fill */
	struct io_uring ring;
	pthread_mutex_t lock; /* of all that is here, but the ring's completions: those are the poller's */
	pthread_t poller;
	void **keys; /* by descriptor */
	size_t keys_size;
	struct queue done;	  /* completed, not handed out */
	struct queue starved;	  /* receives that found no buffer */
	unsigned lent;		  /* buffers that are not the kernel's */
	struct worker *sleepers;  /* wait for a completion; the first on the list is woken first */
	struct worker *returning; /* have blocked, and wait for a slot; likewise */
	unsigned concurrency, running;
	bool closed;
};

static _Thread_local struct worker me; /* zeros: a semaphore that nobody has posted */

static void put(struct queue *queue, struct operation *o)
{
	o->next = NULL;
	*queue->end = o;
	queue->end = &o->next;
}

static struct operation *take(struct queue *queue)
{
	struct operation *o = queue->first;

	if (o && !(queue->first = o->next))
		queue->end = &queue->first;
	return o;
}

static struct worker *take_worker(struct worker **list)
{
	struct worker *w = *list;

	*list = w->next;
	return w;
}

static void line_up(struct worker **list, struct worker *w)
{
	while (*list)
		list = &(*list)->next;
	w->next = NULL;
	*list = w;
}

/* ---- operations: from a worker to the kernel ---- */

/* Never full: whatever is in the queue is submitted before the lock is given back. */
static struct io_uring_sqe *next_sqe(struct port *port, struct operation *o, enum operation_kind kind, int fd)
{
	o->kind = kind;
	o->fd = fd;
	o->bytes = NULL;
	o->key = fd >= 0 && (size_t)fd < port->keys_size ? port->keys[fd] : NULL;
	return io_uring_get_sqe(&port->ring);
}

/* The kernel tries at once. What can't be done yet is done when the socket is ready, in the name of this thread. */
static void start(struct port *port, struct io_uring_sqe *sqe, struct operation *o)
{
	int result;

	io_uring_sqe_set_data(sqe, o);
	while ((result = io_uring_submit(&port->ring)) < 0)
		ring_check(result);
}

static void start_receive(struct port *port, int fd, struct operation *o)
{
	struct io_uring_sqe *sqe = next_sqe(port, o, PORT_RECV, fd);

	io_uring_prep_recv(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	start(port, sqe, o);
}

void port_accept(struct port *port, int fd, struct operation *o)
{
	pthread_mutex_lock(&port->lock);
	struct io_uring_sqe *sqe = next_sqe(port, o, PORT_ACCEPT, fd);
	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	start(port, sqe, o);
	pthread_mutex_unlock(&port->lock);
}

void port_recv(struct port *port, int fd, struct operation *o)
{
	pthread_mutex_lock(&port->lock);
	start_receive(port, fd, o);
	pthread_mutex_unlock(&port->lock);
}

void port_send(struct port *port, int fd, struct operation *o, const void *bytes, size_t size)
{
	pthread_mutex_lock(&port->lock);
	struct io_uring_sqe *sqe = next_sqe(port, o, PORT_SEND, fd);
	io_uring_prep_send(sqe, fd, bytes, size, MSG_WAITALL);
	start(port, sqe, o);
	pthread_mutex_unlock(&port->lock);
}

void port_timer(struct port *port, struct operation *o, unsigned ms)
{
	struct __kernel_timespec after = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	pthread_mutex_lock(&port->lock);
	struct io_uring_sqe *sqe = next_sqe(port, o, PORT_TIMER, -1);
	io_uring_prep_timeout(sqe, &after, 0, 0);
	start(port, sqe, o);
	pthread_mutex_unlock(&port->lock);
}

/* False when memory has run out. */
static bool room_for_key(struct port *port, size_t fd)
{
	size_t size = port->keys_size ? port->keys_size : KEYS_MIN;

	while (fd >= size)
		size *= 2;
	if (size == port->keys_size)
		return true;
	void **keys = realloc(port->keys, size * sizeof(*keys));
	if (!keys)
		return false;
	port->keys = keys;
	port->keys_size = size;
	return true;
}

int port_associate(struct port *port, int fd, void *key)
{
	pthread_mutex_lock(&port->lock);
	bool room = room_for_key(port, (size_t)fd);
	if (room)
		port->keys[fd] = key;
	pthread_mutex_unlock(&port->lock);
	return room ? 0 : -1;
}

/* ---- slots: who may run ---- */

/* The slot is taken here, and not when the worker gets to run: whoever asks meanwhile finds it taken. */
static void let_run(struct port *port, struct worker *w, struct operation *o)
{
	port->running++;
	w->running = true;
	w->given = o;
	sem_post(&w->wake);
}

static void hand_out(struct port *port)
{
#ifndef NAIVE_9_2
	/* Who comes back from a block goes first: it has begun what it is at, and others may wait for that. */
	while (port->running < port->concurrency && port->returning)
		let_run(port, take_worker(&port->returning), NULL);
	while (port->running < port->concurrency && port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
#else
	/* TODO 9.2 */
	/* For each completion somebody is woken, however many run. */
	while (port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
#endif
}

static void lie_down(struct port *port, struct worker *w)
{
#ifndef NAIVE_9_2
	/* The last to sleep stands first: what it works on is in its core's cache, and the others sleep on. */
	w->next = port->sleepers;
	port->sleepers = w;
#else
	/* TODO 9.2 */
	/* At the end of the line: everyone in turn. */
	line_up(&port->sleepers, w);
#endif
}

/* It needs no lock for that: what it is given stands there before it wakes. */
static void sleep_until_woken(void)
{
	while (sem_wait(&me.wake))
		; /* a signal */
}

static void give_slot_back(struct port *port)
{
	if (me.running)
		port->running--;
	me.running = false;
}

void port_block(struct port *port)
{
#ifndef NAIVE_9_2
	pthread_mutex_lock(&port->lock);
	give_slot_back(port);
	hand_out(port);
	pthread_mutex_unlock(&port->lock);
#else
	/* TODO 9.2 */
	/* The slot stays taken while this worker waits. */
	(void)port;
#endif
}

void port_unblock(struct port *port)
{
#ifndef NAIVE_9_2
	pthread_mutex_lock(&port->lock);
	line_up(&port->returning, &me);
	hand_out(port);
	pthread_mutex_unlock(&port->lock);
	sleep_until_woken();
#else
	/* TODO 9.2 */
	(void)port;
#endif
}

/* ---- completions: from the kernel to a worker ---- */

/* A receive that found no buffer is started again when there is one: before whoever gave it back asks for bytes. */
void port_give(struct port *port, struct operation *o)
{
	pthread_mutex_lock(&port->lock);
	if (o->bytes) {
		ring_buffer_give(&port->buffers, o->buffer);
		o->bytes = NULL;
		port->lent--;
		if (port->starved.first) {
			struct operation *starved = take(&port->starved);
			start_receive(port, starved->fd, starved);
		}
	}
	pthread_mutex_unlock(&port->lock);
}

static void complete(struct port *port, struct operation *o, const struct io_uring_cqe *cqe)
{
	o->result = cqe->res;
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		o->buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
		o->bytes = ring_buffer(&port->buffers, o->buffer);
		port->lent++;
	}
	if (o->kind == PORT_RECV && o->result == -ENOBUFS && port->lent == BUFFERS)
		put(&port->starved, o);
	else if (o->kind == PORT_RECV && o->result == -ENOBUFS)
		start_receive(port, o->fd, o); /* one has come back meanwhile */
	else
		put(&port->done, o);
}

/* The poller. While it sleeps in the kernel, nobody else looks at the ring's completions. */
static void *collect(void *argument)
{
	struct port *port = argument;

#ifndef NAIVE_9_1
	for (bool closed = false; !closed;) {
		struct io_uring_cqe *cqe;
		ring_check(io_uring_wait_cqe(&port->ring, &cqe));
		pthread_mutex_lock(&port->lock);
		while (io_uring_peek_cqe(&port->ring, &cqe) == 0) {
			struct operation *o = io_uring_cqe_get_data(cqe);
			if (o)
				complete(port, o, cqe);
			io_uring_cqe_seen(&port->ring, cqe);
		}
		hand_out(port);
		closed = port->closed;
		pthread_mutex_unlock(&port->lock);
	}
#else
	/* TODO 9.1 */
	/* Wait for the ring's completions; complete() each of them; hand them out. Until the port is closed. */
	(void)port;
	(void)complete;
#endif
	return NULL;
}

void port_post(struct port *port, struct operation *o, void *key, int result)
{
	pthread_mutex_lock(&port->lock);
	*o = (struct operation){ .kind = PORT_POST, .key = key, .result = result, .fd = -1 };
	put(&port->done, o);
	hand_out(port);
	pthread_mutex_unlock(&port->lock);
}

struct operation *port_wait(struct port *port)
{
	pthread_mutex_lock(&port->lock);
	give_slot_back(port);
	me.given = NULL;
	if (port->closed) {
		sem_post(&me.wake); /* with nothing given */
	} else {
		lie_down(port, &me);
	}
#ifndef NAIVE_9_1
	/* A completion that waits comes to the top of the list: then this worker does not sleep at all. */
	hand_out(port);
#else
	/* TODO 9.1 */
	/* It sleeps until it is woken. By whom? */
#endif
	pthread_mutex_unlock(&port->lock);
	sleep_until_woken();
	return me.given;
}

/* ---- its beginning and its end ---- */

struct port *port_create(unsigned concurrency)
{
	static const struct ring_kind kinds[] = { { "plain", 0 }, { 0 } };
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		die("cannot make a port", "Is memory short?");
	port->concurrency = concurrency ? concurrency : (unsigned)get_nprocs();
	port->done.end = &port->done.first;
	port->starved.end = &port->starved.first;
	port->lock = (pthread_mutex_t)
		PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP; /* held for moments: it spins before it sleeps */
	ring_make(&port->ring, kinds, SUBMISSIONS, COMPLETIONS);
	port->buffers = (struct ring_buffers){ .count = BUFFERS, .size = BUFFER_SIZE };
	ring_buffers_make(&port->buffers, &port->ring);
	errno = pthread_create(&port->poller, NULL, collect, port);
	if (errno)
		die("cannot make the poller", "Is there a limit on threads (ulimit -u)?");
	return port;
}

void port_close(struct port *port)
{
	pthread_mutex_lock(&port->lock);
	port->closed = true;
	while (port->sleepers)
		sem_post(&take_worker(&port->sleepers)->wake);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&port->ring);
	io_uring_prep_nop(sqe); /* wakes the poller */
	start(port, sqe, NULL);
	pthread_mutex_unlock(&port->lock);
}

void port_free(struct port *port)
{
	pthread_join(port->poller, NULL);
	io_uring_queue_exit(&port->ring);
	pthread_mutex_destroy(&port->lock);
	free(port->buffers.ring);
	free(port->buffers.bytes);
	free(port->keys);
	free(port);
}
