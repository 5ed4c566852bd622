/*
 * replies.c: what the requests ask, and the replies, which stand ready.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workbench.h"

#define PONG  "+PONG\r\n"
#define ERROR "-ERR unknown command, or no power of two\r\n"

enum {
	BLOB_SHIFT_MAX = 20,	 /* BLOB 1 MiB */
	PONGS = IN_SIZE / 5 + 1, /* as many PINGs fit into IN_SIZE */
};

/* PONGS times PONG, then ERROR, then for each power of two its BLOB. */
static struct bytes replies, errors, blobs[BLOB_SHIFT_MAX + 1];

static char *make_blob(char *p, size_t n)
{
	p += sprintf(p, "$%zu\r\n", n);
	for (size_t i = 0; i < n; i++)
		*p++ = (char)('a' + i % 26);
	return stpcpy(p, "\r\n");
}

struct bytes replies_make(void)
{
	size_t most = PONGS * sizeof(PONG) + sizeof(ERROR) + (2u << BLOB_SHIFT_MAX) + 32 * (BLOB_SHIFT_MAX + 1);
	char *start = malloc(most), *p = start, *end;

	if (!start)
		leave(EXIT_FAILURE, "no memory for the replies");
	for (size_t i = 0; i < PONGS; i++)
		p = stpcpy(p, PONG);
	errors = (struct bytes){ p, sizeof(ERROR) - 1 };
	p = stpcpy(p, ERROR);
	for (int shift = 0; shift <= BLOB_SHIFT_MAX; shift++) {
		end = make_blob(p, (size_t)1 << shift);
		blobs[shift] = (struct bytes){ p, (size_t)(end - p) };
		p = end;
	}
	replies = (struct bytes){ start, (size_t)(p - start) };
	return replies;
}

static void burn_us(long us)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < us);
}

/* All but PING; `line` ends with a line end. Empty where nothing is to be sent. */
static struct bytes reply_to(const char *line)
{
	if (strncmp(line, "SPIN ", 5) == 0) {
		burn_us(atol(line + 5));
		return (struct bytes){ 0 };
	}
	for (int shift = 0; strncmp(line, "BLOB ", 5) == 0 && shift <= BLOB_SHIFT_MAX; shift++)
		if (atol(line + 5) == 1l << shift)
			return blobs[shift];
	return errors;
}

size_t replies_take(struct bytes in, struct bytes *reply)
{
	size_t pongs = 0, taken = 0;
	const char *end;

	*reply = (struct bytes){ 0 };
	while (reply->size == 0 && (end = memchr(in.data + taken, '\n', in.size - taken))) {
		const char *line = in.data + taken;
		bool ping = strncmp(line, "PING", 4) == 0;

		if (pongs > 0 && !ping)
			break;
		taken = (size_t)(end + 1 - in.data);
		if (ping)
			pongs++;
		else
			*reply = reply_to(line);
	}
	if (pongs > 0)
		*reply = (struct bytes){ replies.data, pongs * (sizeof(PONG) - 1) };
	return taken;
}
