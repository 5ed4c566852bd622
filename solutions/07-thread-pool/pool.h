/*
 * pool.h: threads that work, so that the event loop need not.
 *
 *	the loop -- pool_submit() --> queue --> a worker --> done -- pool_collect() --> the loop
 *
 * All functions are the loop's; workers call none of them, and know nothing of
 * connections: one may be closed while its work is out, and is held until then.
 */
#ifndef CROSSINGS_POOL_H
#define CROSSINGS_POOL_H

#include <stdbool.h>

struct conn;

enum {
	POOL_MEASURE = -1, /* as a number of threads: find out from the work itself, see pool_size() */
	THREADS_MAX = 256, /* no pool grows beyond */
};

/*
 * Starts the workers; ends the process where it can't. The pool holds as much
 * work as it has workers, and `queue` more. When the first is done of what
 * pool_collect() is to take, 1 is written to the eventfd `done_fd`.
 */
void pool_start(long threads, long queue, int done_fd);

/* Hands over the work of `c`: c->cpu_us, c->wait_us. False where the pool is full: nothing has happened. */
bool pool_submit(struct conn *c);

/*
 * Takes all that is done, and returns the connection whose work was done
 * first; pool_next() those after it. NULL at the end. Each makes room for one.
 */
struct conn *pool_collect(void);
struct conn *pool_next(void);

/* One line on stderr: what the work took, in microseconds of computing and of waiting. */
void pool_report(void);

#endif
