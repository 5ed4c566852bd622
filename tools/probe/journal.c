/*
 * journal.c: what a test did and found, in a file that outlives a crash of the
 * test, and the two ways in which a test ends early.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_internal.h"

static int journal = -1;
static const char *step = "given"; /* the kind of step under way: what a failure is charged to */

static void fail_by_exit(const char *sentence)
{
	fprintf(stderr, "fail: %s\n", sentence);
	exit(1);
}

static void skip_by_exit(const char *sentence)
{
	fprintf(stderr, "skip: %s\n", sentence);
	exit(77);
}

void (*probe_on_fail)(const char *text) = fail_by_exit;
void (*probe_on_skip)(const char *text) = skip_by_exit;

void journal_open(const char *name)
{
	const char *directory = getenv("JOURNAL");

	if (!directory || !*directory)
		return;
	journal = open(text("%s/%s", directory, name), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (journal < 0)
		fprintf(stderr, "journal %s/%s: %s\n", directory, name, strerror(errno));
	step = "given";
}

/* Copies a field so that it can't be taken for two. */
static size_t put_field(char *to, size_t room, const char *from)
{
	size_t used = 0;

	for (; *from && used + 3 < room; from++) {
		if (*from == '\n' || *from == '\t') {
			to[used++] = '\\';
			to[used++] = *from == '\n' ? 'n' : 't';
		} else {
			to[used++] = *from;
		}
	}
	return used;
}

/* One line in one write(2), which O_APPEND makes whole. */
static void journal_line(const char *kind, const char *key, const char *value)
{
	char line[4096];
	const char *fields[] = { kind, key, value };
	size_t used = 0;

	if (journal < 0)
		return;
	for (int i = 0; i < 3; i++) {
		if (!fields[i])
			continue;
		if (i > 0)
			line[used++] = '\t';
		used += put_field(line + used, sizeof(line) - used - 4, fields[i]);
	}
	line[used++] = '\n';
	if (write(journal, line, used) < 0)
		fprintf(stderr, "journal: %s\n", strerror(errno));
}

enum { SENTENCE_MAX = 2048 }; /* bytes of a text; longer ones are cut */

#define FORMATTED(buffer, format)                                                                                      \
	do {                                                                                                           \
		va_list args_;                                                                                         \
		va_start(args_, format);                                                                               \
		vsnprintf(buffer, sizeof(buffer), format, args_);                                                      \
		va_end(args_);                                                                                         \
	} while (0)

void given(const char *format, ...)
{
	char sentence[SENTENCE_MAX];

	FORMATTED(sentence, format);
	step = "given";
	journal_line(step, sentence, NULL);
}

void expect(const char *format, ...)
{
	char sentence[SENTENCE_MAX];

	FORMATTED(sentence, format);
	step = "expect";
	journal_line(step, sentence, NULL);
}

void journal_note(const char *key, const char *format, ...)
{
	char value[SENTENCE_MAX];

	FORMATTED(value, format);
	journal_line("note", key, value);
}

void journal_pass(void)
{
	journal_line("pass", NULL, NULL);
}

noreturn void probe_fail(const char *format, ...)
{
	static char sentence[SENTENCE_MAX];

	FORMATTED(sentence, format);
	journal_line("fail", step, sentence);
	servers_kill();
	probe_on_fail(sentence);
	_exit(1);
}

noreturn void probe_skip(const char *format, ...)
{
	static char sentence[SENTENCE_MAX];

	FORMATTED(sentence, format);
	journal_line("skip", sentence, NULL);
	servers_kill();
	probe_on_skip(sentence);
	_exit(77);
}
