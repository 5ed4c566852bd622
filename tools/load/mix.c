/*
 * mix.c: see mix.h.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mix.h"

enum { BLOB_MAX = 1024 * 1024 }; /* the contract's */

static const char *why(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *why(const char *format, ...)
{
	static char text[REQUEST_SIZE + 128];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

/* "$5\r\nhello\r\n" */
static void expect_bulk(struct command *c, const char *bytes, size_t size)
{
	char *reply = malloc(size + 32);
	size_t head = (size_t)sprintf(reply, "$%zu\r\n", size);

	memcpy(reply + head, bytes, size);
	memcpy(reply + head + size, "\r\n", 2);
	c->reply = reply;
	c->reply_size = head + size + 2;
}

/* The bytes that the kit's servers send for BLOB n. */
static void expect_blob(struct command *c, size_t size)
{
	char *bytes = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('a' + i % 26);
	expect_bulk(c, bytes, size);
	free(bytes);
}

static void expect_line(struct command *c, const char *line)
{
	c->reply = line;
	c->reply_size = strlen(line);
}

/* "~200" is drawn, "200" is not. */
static double mean_of(const char *word, bool *drawn)
{
	*drawn |= word[0] == '~';
	return atof(word + (word[0] == '~'));
}

static const char *read_work(struct command *c, char **words, size_t count)
{
	if (count != 3)
		return why("%s: WORK takes two numbers, cpu_us and wait_us", c->name);
	c->cpu_us = mean_of(words[1], &c->drawn);
	c->wait_us = mean_of(words[2], &c->drawn);
	expect_line(c, "+DONE\r\n");
	return NULL;
}

static const char *read_reply(struct command *c, char **words, size_t count)
{
	if (strcasecmp(words[0], "ping") == 0 && count == 1)
		expect_line(c, "+PONG\r\n");
	else if ((strcasecmp(words[0], "ping") == 0 || strcasecmp(words[0], "echo") == 0) && count == 2)
		expect_bulk(c, words[1], strlen(words[1]));
	else if (strcasecmp(words[0], "blob") == 0 && count == 2 && strtoul(words[1], NULL, 10) <= BLOB_MAX)
		expect_blob(c, strtoul(words[1], NULL, 10));
	else if (strcasecmp(words[0], "work") == 0)
		return read_work(c, words, count);
	else if (strcasecmp(words[0], "spin") != 0 || count != 2)
		return why("%s: the load knows PING [text], ECHO text, BLOB n, WORK cpu_us wait_us, SPIN us", c->name);
	return NULL;
}

static const char *read_command(struct command *c)
{
	char copy[REQUEST_SIZE], *words[4], *rest = copy;
	size_t count = 0;

	strcpy(copy, c->name);
	for (char *w; count < 4 && (w = strsep(&rest, " "));) {
		if (*w)
			words[count++] = w;
	}
	if (count == 0)
		return why("an empty command");
	c->request_size = (size_t)snprintf(c->request, sizeof(c->request), "%s\r\n", c->name);
	c->latency = calloc(1, sizeof(*c->latency));
	c->naive = calloc(1, sizeof(*c->naive));
	return read_reply(c, words, count);
}

static void trim_end(char *entry)
{
	for (size_t n = strlen(entry); n > 0 && isspace((unsigned char)entry[n - 1]); n--)
		entry[n - 1] = '\0';
}

/* Cuts "=9" off. Returns the weight, or a negative number. */
static double cut_weight(char *entry)
{
	char *sign, *end;
	double weight;

	trim_end(entry);
	sign = strrchr(entry, '=');
	if (!sign)
		return 1;
	weight = strtod(sign + 1, &end);
	if (end == sign + 1 || *end || !(weight > 0 && isfinite(weight)))
		return -1;
	*sign = '\0';
	trim_end(entry);
	return weight;
}

static const char *add_command(struct mix *m, char *entry, double *sum)
{
	struct command *c = &m->commands[m->count];
	double weight;

	while (isspace((unsigned char)*entry))
		entry++;
	if (m->count == COMMANDS_MAX)
		return why("more than %d commands", COMMANDS_MAX);
	if (strlen(entry) + 3 > REQUEST_SIZE)
		return why("a command of more than %d bytes", REQUEST_SIZE - 3);
	weight = cut_weight(entry);
	if (weight < 0)
		return why("%s: a weight is a number above 0", entry);
	memset(c, 0, sizeof(*c));
	strcpy(c->name, entry);
	c->upto = *sum += weight;
	m->count++;
	return read_command(c);
}

const char *mix_parse(struct mix *m, const char *text)
{
	char *copy = strdup(text), *rest = copy;
	const char *wrong = NULL;
	double sum = 0;

	m->count = 0;
	for (char *entry; !wrong && (entry = strsep(&rest, ","));)
		wrong = add_command(m, entry, &sum);
	free(copy);
	for (size_t i = 0; i < m->count; i++)
		m->commands[i].upto /= sum;
	return wrong;
}

static char *repeat(const char *bytes, size_t size, size_t times)
{
	char *all = malloc(size * times + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(all + i * size, bytes, size);
	return all;
}

void mix_repeat(struct mix *m, size_t times)
{
	for (size_t i = 0; i < m->count; i++) {
		struct command *c = &m->commands[i];

		c->requests = repeat(c->request, c->request_size, times);
		c->repeats = c->reply_size * times <= REPEATED_MAX ? times : 1;
		c->replies = repeat(c->reply, c->reply_size, c->repeats);
	}
}

size_t mix_choose(const struct mix *m, double draw)
{
	size_t i = 0;

	while (i + 1 < m->count && draw >= m->commands[i].upto)
		i++;
	return i;
}

size_t command_request(const struct command *c, struct draws *d, char *to)
{
	double factor;

	if (!c->drawn) {
		memcpy(to, c->request, c->request_size);
		return c->request_size;
	}
	factor = draw_exponential(d);
	return (size_t)snprintf(to, REQUEST_SIZE, "WORK %.0f %.0f\r\n", c->cpu_us * factor, c->wait_us * factor);
}
