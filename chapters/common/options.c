#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "startup.h"

enum {
	OWN_MAX = 8, /* options of a chapter's own */
	USAGE = 2,   /* exit status of a command line that makes no sense */
};

const char *program = "server";
const char *host = "127.0.0.1";
long port = 7000, backlog = 4096, pace;

static const struct server_option standard[] = {
	{ "port", &port, 0, 65535, "TCP port; 0 lets the kernel choose" },
	{ "backlog", &backlog, 1, 65535, "connections that may wait to be accepted" },
	{ "pace", &pace, 0, 1000000, "loops that take a microsecond of WORK; 0: measured at the start" },
	{ 0 },
};

static const char *name_of(const char *path)
{
	const char *end = path + strlen(path);

	while (end > path && end[-1] != '/' && end[-1] != '\\')
		end--;
	return end;
}

noreturn void usage_error(const char *option, const char *trouble)
{
	fprintf(stderr, "%s: %s %s. Try --help.\n", program, option, trouble);
	exit(USAGE);
}

static noreturn void help(const struct server_option *own)
{
	printf("usage: %s [--host ADDR] [--NAME N]...\n", program);
	printf("  --host     IPv4 address to listen on (%s)\n", host);
	for (const struct server_option *o = standard; o->name; o++)
		printf("  --%-8s %s (%ld)\n", o->name, o->help, *o->value);
	for (const struct server_option *o = own; o && o->name; o++)
		printf("  --%-8s %s (%ld)\n", o->name, o->help, *o->value);
	exit(EXIT_SUCCESS);
}

static void set_number(const struct server_option *o, const char *text)
{
	char *end, option[40], trouble[120];
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < o->min || number > o->max) {
		snprintf(option, sizeof(option), "--%s", o->name);
		snprintf(trouble, sizeof(trouble), "takes a number from %ld to %ld, not '%.40s'", o->min, o->max, text);
		usage_error(option, trouble);
	}
	*o->value = number;
}

void read_options(int argc, char **argv, const struct server_option *own)
{
	struct option names[OWN_MAX + 6] = { { "host", required_argument, NULL, 'h' },
					     { "help", no_argument, NULL, 'H' } };
	const struct server_option *options[OWN_MAX + 6] = { NULL };
	int count = 2, index;

	for (const struct server_option *o = standard; o->name; o++, count++)
		options[count] = o;
	for (const struct server_option *o = own; o && o->name && count < OWN_MAX + 5; o++, count++)
		options[count] = o;
	for (int i = 2; i < count; i++)
		names[i] = (struct option){ options[i]->name, required_argument, NULL, 'n' };
	program = name_of(argv[0]);
	opterr = 0;
	for (int found; (found = getopt_long(argc, argv, ":", names, &index)) != -1;) {
		if (found == 'n')
			set_number(options[index], optarg);
		else if (found == 'h')
			host = optarg;
		else if (found == ':')
			usage_error(argv[optind - 1], "takes a value");
		else if (found == 'H')
			help(own);
		else
			usage_error(argv[optind - 1], "is no option of this server");
	}
	if (optind < argc)
		usage_error(argv[optind], "is not an option: every option begins with --");
}
