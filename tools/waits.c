/*
 * waits: what it costs a server that its clients make it wait: context
 * switches, counted over a thousand requests, and memory, with a crowd of
 * connections that say nothing.
 *
 * Exit status: 0 done, 1 failed, 2 usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "tool.h"

enum {
	CLIENTS = 8,
	ROUNDS = 125, /* 1,000 requests in all */
	CROWDS = 5,
	CROWD = 900, /* silent connections: select takes no more than 1,019 */
};

static struct {
	char *tsv, *model;
	bool append;
} opt = { .model = "-" };

static const struct tool_option table[] = {
	{ "tsv", OPTION_TEXT, &opt.tsv, 0, "FILE", "also write a row there" },
	{ "append", OPTION_FLAG, &opt.append, 0, NULL, "add to that file" },
	{ "model", OPTION_TEXT, &opt.model, 0, "NAME", "the name of the row" },
	{ 0 },
};

/* Each round sends one PING on every client, and collects the replies. */
static uint64_t switches_of(struct server *s)
{
	struct client *clients[CLIENTS];
	uint64_t before;

	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = client_open(s, NULL);
		client_ping(clients[i]);
	}
	server_quiet(s);
	before = server_context_switches(s);
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < CLIENTS; i++)
			client_send(clients[i], "PING\r\n");
		for (size_t i = 0; i < CLIENTS; i++)
			client_expect(clients[i], "+PONG\r\n");
	}
	server_quiet(s);
	return server_context_switches(s) - before;
}

/* Address space, in bytes. */
static uint64_t size_of(const struct server *s)
{
	char path[64];
	unsigned long pages = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)server_pid(s));
	FILE *file = fopen(path, "re");
	if (!file || fscanf(file, "%lu", &pages) != 1)
		probe_fail("%s can't be read", path);
	fclose(file);
	return pages * 4096;
}

/* What the kernel's slabs hold in all, in bytes; 0 where that may not be read. */
static uint64_t slabs(void)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	unsigned long long objects, size;
	uint64_t total = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %llu %*u %llu", &objects, &size) == 2)
			total += objects * size;
	if (file)
		fclose(file);
	return total;
}

static struct client *crowd[CROWD];

static void open_crowd(struct server *s)
{
	for (int i = 0; i < CROWD; i++)
		client_ping(crowd[i] = client_open(s, NULL));
}

static void close_crowd(struct server *s)
{
	for (int i = 0; i < CROWD; i++)
		client_close(crowd[i]);
	server_quiet(s);
}

static int by_value(const void *a, const void *b)
{
	return *(const long *)a > *(const long *)b ? 1 : -1;
}

/*
 * What an idle connection takes of them, both of its ends; −1 where that may
 * not be read. All of the machine is in these figures, so: the median of several crowds.
 */
static long slabs_of_connection(struct server *s)
{
	long bytes[CROWDS];

	for (int i = 0; i < CROWDS; i++) {
		uint64_t before = slabs();
		open_crowd(s);
		bytes[i] = before ? ((long)slabs() - (long)before) / CROWD : -1;
		close_crowd(s);
	}
	qsort(bytes, CROWDS, sizeof(bytes[0]), by_value);
	return bytes[CROWDS / 2];
}

int main(int argc, char **argv)
{
	struct server_options options = { .argv = tool_options(argc, argv, "what waiting costs a server", table) };
	struct server *s;
	uint64_t switches, resident, space;
	long kernel;
	char slab[24] = "-";

	probe_handle_signals();
	s = server_start(&options);
	switches = switches_of(s);
	resident = server_rss(s);
	space = size_of(s);
	open_crowd(s);
	resident = (server_rss(s) - resident) / CROWD;
	space = (size_of(s) - space) / CROWD;
	close_crowd(s);
	kernel = slabs_of_connection(s);
	if (kernel >= 0)
		snprintf(slab, sizeof(slab), "%ld", kernel);
	printf("  %-12s %6.2f switches a request   an idle connection: %7llu bytes resident, %9llu of address space, %6s in the kernel\n",
	       opt.model, (double)switches / (CLIENTS * ROUNDS), (unsigned long long)resident,
	       (unsigned long long)space, slab);
	if (opt.tsv) {
		FILE *file = results_open(
			opt.tsv, opt.append, NULL,
			"model\tswitches_per_request\trss_bytes_per_connection\tspace_bytes_per_connection\tslab_bytes_per_connection");
		fprintf(file, "%s\t%.3f\t%llu\t%llu\t%s\n", opt.model, (double)switches / (CLIENTS * ROUNDS),
			(unsigned long long)resident, (unsigned long long)space, slab);
		fclose(file);
	}
	return TOOL_DONE;
}
