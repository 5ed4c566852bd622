/*
 * sanitizer.c: how the sanitizers are told to report, and what a report says.
 *
 * Status 99 tells a report from a set-up failure, which exits 1 as a
 * sanitizer's default would. Reports go to files, so that they are not mixed
 * with what the server prints. LeakSanitizer can't run under ptrace.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

const char *const sanitizer_options[][2] = {
	{ "ASAN_OPTIONS", "exitcode=99:log_path=%s/asan:detect_leaks=0:abort_on_error=0" },
	{ "UBSAN_OPTIONS", "halt_on_error=1:exitcode=99:log_path=%s/ubsan:print_stacktrace=1" },
	/* A server whose grace is over ends with all its threads: none of them is joined, and that is no race. */
	{ "TSAN_OPTIONS", "exitcode=99:report_thread_leaks=0:log_path=%s/tsan" },
	{ NULL, NULL },
};

/* Shortens to what lies in the tree, "solutions/04-epoll/server.c:90"; says whether it is a chapter's own file. */
static bool relative_source(const char *path, char *source, size_t size)
{
	const char *in = strstr(path, "solutions/");

	if (!in)
		in = strstr(path, "chapters/");
	snprintf(source, size, "%s", in ? in : path);
	return in && !strstr(in, "/common/");
}

/* "#0 0x55d in on_event /path/server.c:90" or "#0 on_event /path/server.c:90 (server+0x1)" */
static bool parse_frame(const char *line, char function[64], char path[256])
{
	const char *p = line + strspn(line, " ");
	size_t size;

	if (*p != '#')
		return false;
	p += strcspn(p, " ");
	p += strspn(p, " ");
	if (strncmp(p, "0x", 2) == 0) {
		p = strstr(p, " in ");
		if (!p)
			return false;
		p += 4;
	}
	size = strcspn(p, " ");
	snprintf(function, 64, "%.*s", (int)size, p);
	p += size + strspn(p + size, " ");
	size = strcspn(p, " ");
	snprintf(path, 256, "%.*s", (int)size, p);
	return true;
}

/* The first frame of the first stack that lies in a chapter's file; else its very first. */
static void find_place(char *lines, struct report *r)
{
	char function[64], path[256], source[256];
	bool begun = false;

	for (char *line = lines, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!parse_frame(line, function, path)) {
			if (begun)
				return;
			continue;
		}
		bool own = relative_source(path, source, sizeof(source));

		if (own || !begun) {
			snprintf(r->function, sizeof(r->function), "%s", function);
			snprintf(r->source, sizeof(r->source), "%s", source);
		}
		if (own)
			return;
		begun = true;
	}
}

/* "==7==ERROR: AddressSanitizer: KIND on address …", "WARNING: ThreadSanitizer: data race (pid=7)" */
static bool parse_named(char *lines, struct report *r)
{
	static const char *const tools[] = { "AddressSanitizer", "ThreadSanitizer", "LeakSanitizer" };

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		char *found = strstr(lines, text("%s: ", tools[i])), *end, *kind;

		if (!found)
			continue;
		kind = found + strlen(tools[i]) + 2;
		end = kind + strcspn(kind, "(\n");
		for (char *on = strstr(kind, " on "); on && on < end; on = NULL)
			end = on;
		while (end > kind && end[-1] == ' ')
			end--;
		snprintf(r->tool, sizeof(r->tool), "%s", tools[i]);
		snprintf(r->kind, sizeof(r->kind), "%.*s", (int)(end - kind), kind);
		find_place(end, r);
		return true;
	}
	return false;
}

/* "/path/server.c:88:14: runtime error: KIND" */
static bool parse_undefined(char *lines, struct report *r)
{
	static const char mark[] = ": runtime error: ";
	char *found = strstr(lines, mark), *start, *kind, *column;

	if (!found)
		return false;
	kind = found + strlen(mark);
	for (start = found; start > lines && start[-1] != '\n'; start--)
		;
	*found = '\0';
	column = strrchr(start, ':');
	if (column)
		*column = '\0';
	snprintf(r->tool, sizeof(r->tool), "UndefinedBehaviorSanitizer");
	snprintf(r->kind, sizeof(r->kind), "%.*s", (int)strcspn(kind, "\n"), kind);
	find_place(kind, r);
	if (!r->source[0])
		relative_source(start, r->source, sizeof(r->source));
	return true;
}

bool sanitizer_report(const struct server *s, struct report *r)
{
	DIR *d = s->dir[0] ? opendir(s->dir) : NULL;
	const struct dirent *entry;
	char lines[65536];
	bool found = false;

	memset(r, 0, sizeof(*r));
	while (d && !found && (entry = readdir(d))) {
		if (!strstr(entry->d_name, "san."))
			continue;
		if (read_small_file(text("%s/%s", s->dir, entry->d_name), lines, sizeof(lines)) > 0)
			found = parse_named(lines, r) || parse_undefined(lines, r);
	}
	if (d)
		closedir(d);
	if (found)
		return true;
	/* GCC's UBSan within an ASan build heeds no log_path: its report is on stderr. */
	snprintf(lines, sizeof(lines), "%s", s->err.kept);
	return parse_undefined(lines, r);
}
