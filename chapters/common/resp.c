#include "resp.h"

#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 10 }; /* of a length; more is malformed, however many follow */

static long malformed(struct request *r, const char *error)
{
	r->error = error;
	return -1;
}

static void keep(struct request *r, const char *data, size_t size)
{
	if (r->count < ARGS_KEPT)
		r->args[r->count] = (struct slice){ data, size };
	r->count++;
}

static long parse_inline(struct request *r, const char *bytes, size_t size)
{
	const char *newline = memchr(bytes, '\n', size);

	if (!newline)
		return size < REQUEST_MAX ? 0 : malformed(r, "too big request");
	const char *end = newline > bytes && newline[-1] == '\r' ? newline - 1 : newline;
	for (const char *at = bytes; at < end;) {
		const char *word = at;
		while (at < end && *at != ' ' && *at != '\t')
			at++;
		if (at > word)
			keep(r, word, (size_t)(at - word));
		else
			at++;
	}
	return (long)(newline + 1 - bytes);
}

/* A length and its line end at bytes[*at]. 1: read, and *at moved past it; 0: more bytes needed; −1: malformed. */
static int parse_length(const char *bytes, size_t size, size_t *at, long max, long *length)
{
	const char *digits = bytes + *at;
	size_t left = size - *at;
	const char *cr = memchr(digits, '\r', left < DIGITS_MAX + 1 ? left : DIGITS_MAX + 1);

	if (!cr)
		return left > DIGITS_MAX ? -1 : 0;
	*length = resp_number((struct slice){ digits, (size_t)(cr - digits) }, max);
	if (*length < 0)
		return -1;
	if (cr + 1 == bytes + size)
		return 0;
	*at = (size_t)(cr + 2 - bytes);
	return cr[1] == '\n' ? 1 : -1;
}

/* One "$n\r\n", n bytes, "\r\n" at bytes[*at]; returns as parse_length, with r->error where −1. */
static int parse_bulk(struct request *r, const char *bytes, size_t size, size_t *at)
{
	long length;

	if (*at == size)
		return 0;
	if (bytes[*at] != '$') {
		r->unexpected = bytes[*at] ? bytes[*at] : '?';
		return (int)malformed(r, "expected '$'");
	}
	++*at;
	int read = parse_length(bytes, size, at, REQUEST_MAX, &length);
	if (read <= 0)
		return read == 0 ? 0 : (int)malformed(r, "invalid bulk length");
	size_t end = *at + (size_t)length;
	if (end + 2 > REQUEST_MAX)
		return (int)malformed(r, "too big request");
	if (size > end && bytes[end] != '\r')
		return (int)malformed(r, "expected CRLF after a bulk string");
	if (size < end + 2)
		return 0;
	if (bytes[end + 1] != '\n')
		return (int)malformed(r, "expected CRLF after a bulk string");
	keep(r, bytes + *at, (size_t)length);
	*at = end + 2;
	return 1;
}

static long parse_array(struct request *r, const char *bytes, size_t size)
{
	size_t at = 1;
	long elements;
	int read = parse_length(bytes, size, &at, ARGS_MAX, &elements);

	if (read < 0)
		return malformed(r, "invalid multibulk length");
	while (read > 0 && r->count < (size_t)elements)
		read = parse_bulk(r, bytes, size, &at);
	if (read == 0 && size >= REQUEST_MAX)
		return malformed(r, "too big request");
	return read > 0 ? (long)at : read;
}

long resp_parse(struct request *r, const char *bytes, size_t size)
{
	r->count = 0;
	r->error = NULL;
	r->unexpected = 0;
	if (size == 0)
		return 0;
	if (size > REQUEST_MAX)
		size = REQUEST_MAX; /* what lies beyond must not change the answer */
	return bytes[0] == '*' ? parse_array(r, bytes, size) : parse_inline(r, bytes, size);
}

long resp_number(struct slice s, long max)
{
	long number = 0;

	for (size_t i = 0; i < s.size; i++) {
		int digit = s.data[i] - '0';
		if (digit < 0 || digit > 9 || digit > max || number > (max - digit) / 10)
			return -1;
		number = number * 10 + digit;
	}
	return s.size > 0 ? number : -1;
}

bool resp_is(struct slice s, const char *word)
{
	size_t i = 0;

	while (i < s.size && word[i] && (s.data[i] | ' ') == word[i])
		i++;
	return i == s.size && !word[i];
}
