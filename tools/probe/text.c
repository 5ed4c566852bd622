/*
 * text.c: short texts for sentences. Nothing here is to be freed, apart from
 * split words: a text lives until seven more have been made.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_internal.h"

enum {
	TEXTS = 8,
	TEXT_MAX = 2048, /* longer texts are cut */
};

static char *next_text(void)
{
	static char texts[TEXTS][TEXT_MAX];
	static unsigned int turn;

	return texts[turn++ % TEXTS];
}

const char *text(const char *format, ...)
{
	char *t = next_text();
	va_list args;

	va_start(args, format);
	vsnprintf(t, TEXT_MAX, format, args);
	va_end(args);
	return t;
}

/* One byte as C writes it; returns the number of characters. */
static size_t escape_byte(char *to, unsigned char byte)
{
	static const char plain[] = "\n\r\t\"\\", letters[] = "nrt\"\\";
	const char *found = byte ? strchr(plain, byte) : NULL;

	if (found)
		return (size_t)sprintf(to, "\\%c", letters[found - plain]);
	if (isprint(byte))
		return (size_t)sprintf(to, "%c", byte);
	return (size_t)sprintf(to, "\\x%02x", byte);
}

const char *quoted(const void *bytes, size_t size, size_t max)
{
	char *t = next_text();
	size_t used = 0, shown = 0;

	t[used++] = '"';
	while (shown < size && shown < max && used < TEXT_MAX - 16)
		used += escape_byte(t + used, ((const unsigned char *)bytes)[shown++]);
	t[used++] = '"';
	strcpy(t + used, shown < size ? "…" : "");
	return t;
}

const char *escaped(const char *bytes)
{
	char *t = next_text();
	size_t used = 0;

	while (*bytes && used < TEXT_MAX - 16)
		used += escape_byte(t + used, (unsigned char)*bytes++);
	t[used] = '\0';
	return t;
}

/* Moves one word from *from to `to`, without its quotes, and terminates it; returns its end. */
static char *take_word(const char **from, char *to)
{
	char quote = '\0';
	const char *p = *from;

	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? '\0' : *p;
		else
			*to++ = *p;
	}
	*from = p;
	*to++ = '\0';
	return to;
}

char **split_words(const char *line, size_t *count)
{
	size_t size = strlen(line);
	char **words = calloc(size / 2 + 2, sizeof(*words));
	char *block = malloc(size + 2);

	*count = 0;
	for (;;) {
		while (isspace((unsigned char)*line))
			line++;
		if (!*line)
			break;
		words[(*count)++] = block;
		block = take_word(&line, block);
	}
	return words;
}

ssize_t read_small_file(const char *path, char *bytes, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, bytes, size - 1);
	close(fd);
	if (n >= 0)
		bytes[n] = '\0';
	return n;
}
