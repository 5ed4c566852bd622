/*
 * exercise.h: what the chapters' suites share beyond support.h: the steps that
 * tests of several chapters take, and what they ask of a server's log.
 */
#ifndef CROSSINGS_EXERCISE_H
#define CROSSINGS_EXERCISE_H

#include "support.h"

enum { HOLD_US = 50000 }; /* long enough to send what the loop is to find when it returns */

/* Ends a test and the server, whose descriptors are still open: how it stops is for expect_stop to judge. */
void done(struct server *s);

/* Skips the test where a process may not have that many. */
void needs_descriptors(size_t count);

/* ---- what the log says ---- */

struct calls {
	const struct crossing *all; /* the server's, valid until the next question */
	size_t count;
};

/* Those that returned in [from, to), times of server_quiet or of now_ns. */
struct calls calls_between(struct server *s, uint64_t from, uint64_t to);

/* Whether it is a call of `name`, with `within` among its arguments (NULL: whatever these are); how many are. */
bool is_call(const struct crossing *c, const char *name, const char *within);
size_t count_of(struct calls c, const char *name, const char *within);

/*
 * The k clients send PING while the loop is held, and are answered: the calls
 * from the hold's own on, one wait and one read of which are the holder's.
 */
struct calls held_batch(struct server *s, struct client *holder, struct client **clients, size_t k);

/*
 * As server_round with a hold, but true only where the batch was one; `us`,
 * HOLD_US at first, is then doubled for another try. A machine on which no
 * hold is long enough is too busy, and the test is skipped.
 */
bool held_round(struct server *s, struct client *holder, uint32_t *us, struct client **clients, size_t k,
		const char *request, size_t reply_size, struct calls *calls);

/* ---- steps ---- */

/* Each of them in turn: PING and its answer. */
void clients_ping(struct client **clients, size_t count);

/* Asks for the largest BLOB, and returns when the first bytes of it are there. Nothing is read. */
void ask_for_blob(struct client *c);

/* Many clients come, send `request`, get `reply`, and go: the server does not grow. Needs "memory". */
void expect_the_gone_forgotten(struct server *s, const char *request, const char *reply);

/* SIGTERM meets the quiet server in `call` and ends it with status 0; the clients see the end. The last step of a test. */
void expect_stop(struct server *s, const char *call, struct client *const *clients, size_t count);

#endif
