/*
 * ptrace.c: may we trace at all? Asked before a server is blamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe_internal.h"

/* Runs `strace true` with its words caught in `said`; returns the exit status, 127 where there is no strace. */
static int try_strace(char *said, size_t size)
{
	int ends[2], status = 0;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return 126;
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		execlp("strace", "strace", "-f", "-o", "/dev/null", "--", "true", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (used + 1 < size && (n = read(ends[0], said + used, size - 1 - used)) > 0)
		used += (size_t)n;
	said[used] = '\0';
	said[strcspn(said, "\n")] = '\0';
	close(ends[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The value of a line of /proc/self/status, -1 where there is none. */
static long long status_field(const char *name, int base)
{
	char status[8192];
	const char *line;

	if (read_small_file("/proc/self/status", status, sizeof(status)) <= 0)
		return -1;
	line = strstr(status, name);
	return line ? strtoll(line + strlen(name), NULL, base) : -1;
}

static const char *why_refused(void)
{
	enum { CAP_PTRACE = 19 };
	char scope[32];
	long long capabilities = status_field("\nCapEff:", 16);
	bool capable = capabilities >= 0 && (capabilities >> CAP_PTRACE & 1);

	if (status_field("\nTracerPid:", 10) > 0)
		return "this process is traced itself, and a process has one tracer at the most";
	if (read_small_file("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope)) > 0 &&
	    (atoi(scope) == 3 || (atoi(scope) == 2 && !capable)))
		return text("Yama forbids it (kernel.yama.ptrace_scope is %d)", atoi(scope));
	if (status_field("\nSeccomp:", 10) > 0)
		return "a seccomp filter forbids it, as containers' default profiles do; run it with --cap-add=SYS_PTRACE";
	return "the kernel or the container forbids it";
}

void require_ptrace(void)
{
	static bool works;
	char said[512];
	int status;

	if (works)
		return;
	status = try_strace(said, sizeof(said));
	if (status == 127)
		probe_skip("strace is not installed");
	if (status != 0)
		probe_skip("strace can't trace here: %s (%s)", why_refused(), said);
	works = true;
}
