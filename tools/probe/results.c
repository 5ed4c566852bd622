/*
 * results.c: files of results, which say where and when they were measured.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

static void cpu_name(char *name, size_t size)
{
	static const char key[] = "model name";
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(name, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) != 0 || !colon)
			continue;
		snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

static void print_version(FILE *to, const char *command)
{
	char line[256];
	FILE *f = popen(command, "re");

	if (f && fgets(line, sizeof(line), f))
		fprintf(to, "# %.*s\n", (int)strcspn(line, "\n"), line);
	if (f)
		pclose(f);
}

static void print_header(FILE *to, const char *const *versions, const char *columns)
{
	struct utsname kernel;
	char cpu[256], date[64];
	time_t now = time(NULL);

	uname(&kernel);
	cpu_name(cpu, sizeof(cpu));
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	fprintf(to, "# kernel %s %s %s\n", kernel.sysname, kernel.release, kernel.machine);
	fprintf(to, "# cpu %s, %ld online\n", cpu, sysconf(_SC_NPROCESSORS_ONLN));
	fprintf(to, "# date %s\n", date);
	for (; versions && *versions; versions++)
		print_version(to, *versions);
	fprintf(to, "%s\n", columns);
}

FILE *results_open(const char *path, bool append, const char *const *versions, const char *columns)
{
	FILE *f = fopen(path, append ? "ae" : "we");

	if (!f)
		probe_fail("%s can't be written: %s", path, strerror(errno));
	fseek(f, 0, SEEK_END);
	if (ftell(f) == 0)
		print_header(f, versions, columns);
	return f;
}
