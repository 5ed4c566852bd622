/*
 * support.h: what the black-box suites share beyond the probe: how a test
 * begins and ends, what a given server is exempt from, and a few steps that
 * many tests take.
 *
 * Environment:
 *	SERVER		the command under test (see server_command)
 *	EXEMPT		words of the table in support.c: what this server cannot have, "sigterm rlimit counts"
 *	SANITIZED	1: it is a sanitizer's build; its memory and its counts are not judged
 */
#ifndef CROSSINGS_SUPPORT_H
#define CROSSINGS_SUPPORT_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../tools/probe/probe.h"

enum {
	TEST_BOUND_S = 120, /* a test that runs longer is ended by Criterion; each wait in it has a bound of its own */
	WATCH_MS = 500,	    /* how long a server is watched that should do nothing */
	MIB = 1024 * 1024,
	BLOB_MAX = MIB,		 /* the contract's largest BLOB */
	REQUEST_MAX = 64 * 1024, /* the contract's largest request, whole */
};

/* How many bytes the reply to BLOB n takes. */
#define BLOB_REPLY(n) ((n) + (size_t)snprintf(NULL, 0, "$%zu\r\n\r\n", (size_t)(n)))

/* A suite whose tests open a journal of their own and leave no server behind. */
#define BLACK_BOX_SUITE(name) TestSuite(name, .init = scene_open, .fini = scene_close, .timeout = TEST_BOUND_S)
void scene_open(void);
void scene_close(void);

/* Skips the test where the server is exempt from one of these words ("spin blob"). */
void needs(const char *words);
bool exempt(const char *word);

/* ---- starting a server ---- */

/* SERVER with these words added, NULL-terminated. `strace` as in server_options; nofile 0: as it is. */
struct server *server_start_with(const char *const *words, const char *strace, int nofile);

/* SERVER under a plain counting strace. */
struct server *server_start_traced(void);

/* SERVER as a child whose output is looked at byte by byte, for what happens before and instead of listening. */
struct child {
	pid_t pid;
	int pidfd, out, err; /* pipes; the child's stdout and stderr */
};
struct outcome {
	int status; /* as waitpid gives it */
	char out[4096], err[4096];
};
struct child child_start(const char *const *words);
bool child_says_line(struct child *c, char *line,
		     size_t size); /* on stdout, within the bound; else `line` is empty or cut */
void child_read_line(struct child *c, char *line, size_t size); /* the same, and none is a failure */
struct outcome child_wait(struct child *c);			/* its end, bounded */

/* SERVER with `words` exits with `status`, and with one line on stderr that names `culprit`. */
void expect_refusal(const char *const *words, int status, const char *culprit);

/* ---- steps ---- */

/* Its CLIENT ID. */
unsigned long long client_id(struct client *c);

/* An error reply, in one line, which begins with `prefix`. */
void client_expect_error(struct client *c, const char *prefix);

/* A slow client reads on with a wider window: 1 MiB through the narrow one would take seconds. */
void client_read_faster(struct client *c);

/* The server answers a client that it has not seen before. */
void expect_served(struct server *s, const char *who);

/* How many descriptors it has open, once quiet. */
size_t files_at_rest(struct server *s);

/* Soon it has `files` descriptors open, and no other number: none is leaked. */
void expect_files(struct server *s, size_t files);

/* It has grown by less than `bytes` since it stood at `before`. */
void expect_memory_below(struct server *s, uint64_t before, uint64_t bytes);

/* Nothing happens for WATCH_MS: what it does meanwhile is judged by CPU time, or by calls of its own. */
void expect_no_spin(struct server *s);
void expect_calls_at_most(struct server *s, size_t most);

/* Sends `signal` only. Its end is awaited by server_expect_exit, which fails unless it exits 0. */
void server_tell(struct server *s, int signal);
void server_expect_exit(struct server *s);

/* `count` clients, connected, named "client 1" and so on. The array is the caller's. */
struct client **clients_open(struct server *s, size_t count);

#endif
