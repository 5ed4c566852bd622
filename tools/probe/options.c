/*
 * options.c: the command lines of the instruments, from one table each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char *tool = "tool";

noreturn void tool_usage(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s: %s (--help lists the options)\n", tool, what, value);
	exit(TOOL_USAGE);
}

size_t tool_number(const char *name, const char *value, size_t min)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);

	if (end == value || *end || *value == '-' || number < min || number > 1000000000)
		tool_usage(name, value);
	return number;
}

static char *unescape(char *text)
{
	static const char letters[] = "rnt\\", meanings[] = "\r\n\t\\";
	char *to = text;

	for (const char *from = text; *from; from++) {
		const char *letter = *from == '\\' && from[1] ? strchr(letters, from[1]) : NULL;

		*to++ = letter ? meanings[letter - letters] : *from;
		if (letter)
			from++;
	}
	*to = '\0';
	return text;
}

static noreturn void print_help(const char *about, const struct tool_option *table)
{
	printf("usage: %s [OPTION]... -- COMMAND...\n%s\n", tool, about);
	for (const struct tool_option *o = table; o->name; o++) {
		char words[64];

		snprintf(words, sizeof(words), "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		printf("  %-24s %s\n", words, o->help);
	}
	printf("\n{port} in COMMAND becomes a free port; without it, --port 0 is added and\n"
	       "\"listening on HOST:PORT\" awaited. Exit status: 0 done, 1 failed, 2 usage, 77 skipped.\n");
	exit(TOOL_DONE);
}

static void store(const struct tool_option *o, char *value)
{
	switch (o->kind) {
	case OPTION_NUMBER:
		*(size_t *)o->into = tool_number(o->name, value, o->min);
		break;
	case OPTION_TEXT:
		*(char **)o->into = value;
		break;
	case OPTION_BYTES:
		*(char **)o->into = unescape(value);
		break;
	case OPTION_FLAG:
		*(bool *)o->into = true;
		break;
	}
}

/* The option that `word` ("--name" or "--name=value") names; *value is set to what follows '=', or NULL. */
static const struct tool_option *find_option(const struct tool_option *table, char *word, char **value)
{
	size_t size = strcspn(word + 2, "=");

	*value = word[2 + size] == '=' ? word + 2 + size + 1 : NULL;
	for (const struct tool_option *o = table; o->name; o++) {
		if (strlen(o->name) == size && strncmp(o->name, word + 2, size) == 0)
			return o;
	}
	tool_usage("no such option", word);
}

char *const *tool_options(int argc, char **argv, const char *about, const struct tool_option *table)
{
	int i;

	tool = program_invocation_short_name;
	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2]; i++) {
		char *value;

		if (strcmp(argv[i], "--help") == 0)
			print_help(about, table);
		const struct tool_option *o = find_option(table, argv[i], &value);

		if (o->kind != OPTION_FLAG && !value && !argv[++i])
			tool_usage("a value is missing", argv[i - 1]);
		store(o, value ? value : argv[i]);
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i == argc)
		tool_usage("no command", "it follows --");
	return argv + i;
}

const struct hold *hold_from(const char *command, bool sleeps, bool answers)
{
	static struct hold hold;

	if (command && strcmp(command, "none") == 0)
		return NULL;
	hold = (struct hold){ .command = command ? command : hold_spin.command, .sleeps = sleeps, .answers = answers };
	return &hold;
}
