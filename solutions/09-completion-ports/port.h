/*
 * port.h: a completion port, after Windows' (I/O completion ports), on an
 * io_uring. It starts operations on sockets, and hands what has completed to
 * the workers that wait, of which no more than `concurrency` run at a time.
 *
 *	port_recv() --> kernel --> completions, first in, first out --+
 *	workers, last in, first out <-- port_wait() <-- a free slot <-+
 *
 * To run, a worker holds a slot: it gets one with a completion, and gives it
 * back when it waits for the next. One that is about to block says so, and
 * lends its slot to another meanwhile. (Windows asks nobody: its scheduler
 * sees the thread block.)
 *
 * Thread-safe. What fails while the port is made ends the process.
 */
#ifndef CROSSINGS_PORT_H
#define CROSSINGS_PORT_H

#include <stdbool.h>
#include <stddef.h>

enum operation_kind { PORT_ACCEPT, PORT_RECV, PORT_SEND, PORT_TIMER, PORT_POST };

/*
 * An operation in flight; OVERLAPPED is its name on Windows. The caller's
 * memory, and the port's from the start of the operation until port_wait()
 * returns it: whoever is given the completion owns what it belongs to.
 */
struct operation {
	enum operation_kind kind;
	void *key;	   /* as the descriptor was associated, or as posted */
	int result;	   /* bytes, a descriptor, or −errno */
	const char *bytes; /* received; the port's memory until port_give() */

	/* The port's own. */
	int fd;
	unsigned buffer;
	struct operation *next;
};

struct port;

/* `concurrency`: how many workers may run at a time; 0: as many as there are processors. */
struct port *port_create(unsigned concurrency);

/* Completions of operations on `fd` carry `key`, whatever `fd` was associated with before. −1: no memory. */
int port_associate(struct port *port, int fd, void *key);

/*
 * Each starts an operation, by one crossing, and returns at once. A receive
 * ties no buffer up: it is given one of the port's when bytes are there. A
 * send's bytes are the kernel's until it has completed, and it completes when
 * all are taken, or with an error.
 */
void port_accept(struct port *port, int fd, struct operation *o);
void port_recv(struct port *port, int fd, struct operation *o);
void port_send(struct port *port, int fd, struct operation *o, const void *bytes, size_t size);
void port_timer(struct port *port, struct operation *o, unsigned ms);

/* A completion of the caller's own making. No crossing, but to wake a worker. */
void port_post(struct port *port, struct operation *o, void *key, int result);

/* The bytes of a receive have been used: the buffer is the port's again. */
void port_give(struct port *port, struct operation *o);

/*
 * The calling worker gives its slot back, and sleeps until it is given one
 * with a completion. NULL: the port is closed.
 */
struct operation *port_wait(struct port *port);

/* Around whatever may block a worker: its slot is free meanwhile, and waited for afterwards, first in line. */
void port_block(struct port *port);
void port_unblock(struct port *port);

/* Whoever waits, or will, is given NULL. Free it when all workers have returned from that. */
void port_close(struct port *port);
void port_free(struct port *port);

#endif
