/*
 * server.c: a server's life: it is started and awaited, told to end, and made
 * sure to have ended, whatever happens to us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe_internal.h"

enum {
	STOP_MS = 2000, /* the contract: how long a server may take to end */
	KILL_MS = 2000, /* how long the kernel may take to end one that was killed; then it is left to its fate */
	PORT_TRIES = 3, /* how often another port is tried for a server that ended before it listened */
};

struct server *servers; /* the latest first; never freed, so that their logs and states can still be read */
static pid_t owner;	/* who started them: a fork of ours ends none */
int probe_sigterm = SIGTERM;

/* ---- output ---- */

static void drain(struct output *o)
{
	char bytes[16384];
	ssize_t n;

	while (o->fd >= 0 && (n = read(o->fd, bytes, sizeof(bytes))) != -1) {
		size_t keep = (size_t)n < OUTPUT_MAX ? (size_t)n : OUTPUT_MAX;
		size_t excess = o->used + keep > OUTPUT_MAX ? o->used + keep - OUTPUT_MAX : 0;

		memmove(o->kept, o->kept + excess, o->used - excess);
		o->used -= excess;
		memcpy(o->kept + o->used, bytes + n - keep, keep);
		o->used += keep;
		o->kept[o->used] = '\0';
		if (n == 0) {
			close(o->fd);
			o->fd = -1;
		}
		if ((size_t)n < sizeof(bytes))
			break; /* one that prints without end must not keep us here */
	}
}

void drain_outputs(void)
{
	for (struct server *s = servers; s; s = s->next) {
		drain(&s->out);
		drain(&s->err);
	}
}

const char *server_said(struct server *s)
{
	drain_outputs();
	return s->err.kept;
}

const char *last_line(const struct output *o)
{
	size_t end = o->used, start;

	while (end > 0 && o->kept[end - 1] == '\n')
		end--;
	for (start = end; start > 0 && o->kept[start - 1] != '\n'; start--)
		;
	return text("%.*s", (int)(end - start), o->kept + start);
}

/* ---- start ---- */

/* Once a process: a fork of ours owns what it starts itself, and nothing else. */
static void own_servers(void)
{
	if (owner == getpid())
		return;
	if (!owner) {
		atexit(servers_kill);
		scratch_clear();
	}
	owner = getpid();
	servers = NULL;
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the tracer, an orphan by design, becomes ours to reap */
}

struct server *server_new(const struct server_options *options)
{
	struct server *s = calloc(1, sizeof(*s));

	own_servers();
	s->out.fd = s->err.fd = -1;
	scratch_make(s);
	s->next = servers;
	servers = s;
	launch(s, options);
	return s;
}

/* The port on the line "listening on HOST:PORT", 0 before it is there whole. */
static int announced_port(const struct server *s)
{
	const char *line = strstr(s->out.kept, "listening on ");
	const char *end = line ? strpbrk(line, "\r\n") : NULL;
	const char *colon = end ? memrchr(line, ':', (size_t)(end - line)) : NULL;

	return colon ? atoi(colon + 1) : 0;
}

static bool port_answers(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return answers;
}

/* False when it ended first. */
static bool await_listening(struct server *s)
{
	uint64_t deadline = deadline_in(PATIENCE_MS);
	bool given_port = s->port > 0;

	while (server_alive(s)) {
		if (given_port ? port_answers(s->port) : (s->port = announced_port(s)) > 0)
			return true;
		if (is_past(deadline) && given_port)
			probe_fail("the server does not answer on the port it was given, %d: %s", s->port,
				   server_state(s));
		if (is_past(deadline))
			probe_fail("the server never printed \"listening on HOST:PORT\" to stdout: %s",
				   server_state(s));
		pause_us(1000);
	}
	return false;
}

/* What the machine refuses is not the server's fault: it says why, and so do we. But an injected refusal is a test's. */
static void skip_without_ring(struct server *s, const char *strace)
{
	static const char refused[] = "cannot make an io_uring: ";
	const char *why = strstr(s->err.kept, refused);

	if (why && !(strace && strstr(strace, "inject")))
		probe_skip("io_uring is refused here: %.*s", (int)strcspn(why + sizeof(refused) - 1, "\n"),
			   why + sizeof(refused) - 1);
}

struct server *server_start(const struct server_options *wanted)
{
	struct server_options options = *wanted;

	if (!options.strace && getenv("PROBE_STRACE_LOG"))
		options.strace = "";
	for (int tries = 1;; tries++) {
		struct server *s = server_new(&options);
		bool given_port = s->port > 0;

		if (await_listening(s)) {
			if (options.strace)
				s->log = log_open(log_path(s));
			return s;
		}
		skip_without_ring(s, options.strace);
		if (!given_port || tries == PORT_TRIES)
			probe_fail("before it listened, %s", server_state(s));
		server_kill(s);
	}
}

struct server *server_start_default(void)
{
	return server_start_limited(0);
}

struct server *server_start_limited(int nofile)
{
	struct server_options options = { .argv = server_command(), .nofile = nofile };

	return server_start(&options);
}

int server_port(const struct server *s)
{
	return s->port;
}

pid_t server_pid(const struct server *s)
{
	return s->pid;
}

/* ---- end ---- */

bool server_alive(struct server *s)
{
	if (!s->ended && s->pid > 0 && wait4(s->pid, &s->status, WNOHANG, &s->usage) == s->pid)
		s->ended = true;
	if (s->ended)
		drain_outputs();
	return !s->ended;
}

static bool ends_within(struct server *s, int ms)
{
	uint64_t deadline = deadline_in(ms);

	while (server_alive(s)) {
		if (is_past(deadline))
			return false;
		pause_us(500);
	}
	return true;
}

int server_signal(struct server *s, int signal)
{
	if (server_alive(s))
		kill(s->pid, signal);
	if (!ends_within(s, STOP_MS))
		probe_fail("SIG%s did not end the server within %d s: %s", sigabbrev_np(signal), STOP_MS / 1000,
			   server_state(s));
	return s->status;
}

void server_stop(struct server *s)
{
	int status = server_signal(s, probe_sigterm);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		probe_fail("told to stop by SIG%s, it should exit with status 0, but %s", sigabbrev_np(probe_sigterm),
			   server_state(s));
}

/* What is left of its group: the tracer, forked children. They are ours to reap, as their subreaper. */
static void reap_group(pid_t group)
{
	uint64_t deadline = deadline_in(KILL_MS);
	struct timespec moment = { .tv_nsec = 500000 };

	while (kill(-group, SIGKILL) == 0 && !is_past(deadline)) {
		while (waitpid(-group, NULL, WNOHANG) > 0)
			;
		nanosleep(&moment, NULL);
	}
}

/* No wait here may end in exit(): this runs within it. */
void server_kill(struct server *s)
{
	uint64_t deadline = deadline_in(KILL_MS);
	struct timespec moment = { .tv_nsec = 500000 };

	if (s->pid > 0 && s->dir[0]) {
		kill(-s->pid, SIGKILL);
		while (server_alive(s) && !is_past(deadline))
			nanosleep(&moment, NULL);
		reap_group(s->pid);
	}
	if (s->log)
		log_read(s->log);
	scratch_remove(s);
}

void servers_kill(void)
{
	if (owner != getpid())
		return;
	for (struct server *s = servers; s; s = s->next) {
		if (s->dir[0])
			server_kill(s);
	}
}
