/*
 * resp.h: the parser. Bytes in, one request out; it keeps nothing, so a
 * request that comes in pieces is parsed again from its start.
 *
 * A subset of RESP2, https://redis.io/docs/reference/protocol-spec/: inline
 * commands (words and a line end; a quote is an ordinary byte) and arrays of
 * bulk strings.
 */
#ifndef CROSSINGS_RESP_H
#define CROSSINGS_RESP_H

#include <stdbool.h>
#include <stddef.h>

enum {
	REQUEST_MAX = 64 * 1024, /* bytes of a whole request; more is a protocol error */
	ARGS_MAX = 1024,	 /* elements of an array; more is a protocol error */
	ARGS_KEPT = 4,		 /* as many as any command takes; the others are only counted */
};

struct slice {
	const char *data; /* points into the caller's bytes; not terminated */
	size_t size;
};

struct request {
	struct slice args[ARGS_KEPT];
	size_t count;	   /* 0 for an empty line or array, which asks nothing */
	const char *error; /* why the bytes are no request, for "-ERR Protocol error: …" */
	char unexpected;   /* the byte that stood where '$' was expected, if that is why; else 0 */
};

/*
 * Returns the number of bytes that the first request takes (its arguments
 * point into them), 0 when more bytes are needed, −1 when no bytes to come
 * can make a request of these (r->error says why).
 */
long resp_parse(struct request *r, const char *bytes, size_t size);

/* The number that `s` spells in decimal, or −1: empty, not digits alone, or above `max`. */
long resp_number(struct slice s, long max);

/* True when `s` is `word`, in either case. `word` is in small letters. */
bool resp_is(struct slice s, const char *word);

#endif
