/*
 * program.c: a program that is no server: started as a server is, and awaited.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "probe_internal.h"

enum {
	RUN_MS = 10000, /* how long it may take; then it hangs */
	LEFT_MS = 2000, /* how long what it leaves may go on: its children, and strace, which writes its last lines */
	STEP_US = 500,
	COMMAND_MAX = 256, /* bytes of a command in a sentence */
};

/* The program's own name and its words. */
static char *told_command(char *const *argv)
{
	const char *slash = strrchr(argv[0], '/');
	char *told = malloc(COMMAND_MAX);
	size_t used = (size_t)snprintf(told, COMMAND_MAX, "%s", slash ? slash + 1 : argv[0]);

	for (argv++; *argv && used < COMMAND_MAX; argv++)
		used += (size_t)snprintf(told + used, COMMAND_MAX - used, " %s", *argv);
	return told;
}

/* server_state() under the program's name. */
static const char *told_state(struct server *s, const char *command)
{
	static const char server[] = "the server";
	const char *state = server_state(s), *found = strstr(state, server);

	if (!found)
		return state;
	return text("%.*s%s%s", (int)(found - state), state, command, found + strlen(server));
}

/* What it has started and not waited for is ours: we are its subreaper. */
static void await_rest(pid_t group)
{
	uint64_t deadline = deadline_in(LEFT_MS);

	while (waitpid(-group, NULL, WNOHANG) >= 0 && !is_past(deadline))
		pause_us(STEP_US);
}

struct program_run program_run(char *const *argv, const char *strace)
{
	struct server_options options = { .argv = argv, .strace = strace, .no_port = true };
	struct program_run run = { .command = told_command(argv) };

	if (!strace && getenv("PROBE_STRACE_LOG"))
		options.strace = "";
	struct server *s = server_new(&options);
	uint64_t deadline = deadline_in(RUN_MS);

	while (server_alive(s)) {
		if (is_past(deadline))
			probe_fail("%s does not end: %s", run.command, told_state(s, "the program"));
		pause_us(STEP_US);
	}
	await_rest(s->pid);
	drain_outputs();
	run.state = strdup(told_state(s, run.command));
	run.status = s->status;
	run.out = s->out.kept;
	run.err = s->err.kept;
	run.context_switches = (uint64_t)(s->usage.ru_nvcsw + s->usage.ru_nivcsw);
	if (options.strace) {
		s->log = log_open(log_path(s));
		run.crossings = server_crossings(s, 0, UINT64_MAX, &run.count);
	}
	return run;
}
