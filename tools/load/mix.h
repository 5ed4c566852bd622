/*
 * mix.h: what the load asks, how often each, and what must come back.
 */
#ifndef CROSSINGS_MIX_H
#define CROSSINGS_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "random.h"

enum {
	COMMANDS_MAX = 8,	  /* of a mix; more are a usage error */
	REPEATED_MAX = 64 * 1024, /* bytes of a repeated reply; longer ones are compared one by one */
	REQUEST_SIZE = 256,	  /* room for one request; a longer one is a usage error */
};

struct command {
	char name[REQUEST_SIZE]; /* as the mix has it: "WORK 0 2000" */
	double upto;		 /* a draw in [0, 1) below this, and not below the one before, asks this */
	char request[REQUEST_SIZE];
	size_t request_size;
	const char *reply; /* NULL: there is none (SPIN) */
	size_t reply_size;
	char *requests,
		*replies; /* the same, `pipeline` and `repeats` times in a row: a burst is one copy and one comparison */
	size_t repeats;
	double cpu_us, wait_us; /* means of work drawn anew for each request, for "WORK ~200 ~1800"; else unused */
	bool drawn;
	struct histogram *latency, *naive; /* ns from the intended time, and from the send */
};

struct mix {
	struct command commands[COMMANDS_MAX];
	size_t count;
};

/*
 * Reads "COMMAND[=WEIGHT][,COMMAND[=WEIGHT]...]". Commands: PING [text],
 * ECHO text, BLOB n, WORK cpu_us wait_us, SPIN us. Returns NULL, or why it
 * can't be, in a static buffer.
 */
const char *mix_parse(struct mix *m, const char *text);

/* Fills in `requests` and `replies`, for bursts of so many. */
void mix_repeat(struct mix *m, size_t times);

/* Which command a draw in [0, 1) asks. */
size_t mix_choose(const struct mix *m, double draw);

/*
 * Writes the request of `c` to `to` (REQUEST_SIZE bytes) and returns its size.
 * Drawn work takes its means times one exponential number: the sum is
 * exponential, too, and the ratio of waiting to computing stays.
 */
size_t command_request(const struct command *c, struct draws *d, char *to);

#endif
