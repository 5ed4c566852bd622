/*
 * launch.c: from a command to a process: the words to execute, and what its
 * child sets before it does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe_internal.h"

static const char PORT_HOLE[] = "{port}";

char *const *server_command(void)
{
	const char *line = getenv("SERVER");
	size_t count;
	char **words;

	if (!line)
		probe_fail("SERVER is not set: it names the command under test");
	words = split_words(line, &count);
	if (count == 0)
		probe_fail("SERVER is empty: it names the command under test");
	return words;
}

/* A port that was free a moment ago. Another program may take it first; then the server says so. */
static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		probe_fail("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(address.sin_port);
}

static void check_program(const char *program)
{
	const char *path = getenv("PATH");
	size_t count;
	char **places;

	if (strchr(program, '/')) {
		if (access(program, X_OK) != 0)
			probe_fail("%s can't be run: %s", program, strerror(errno));
		return;
	}
	char *list = strdup(path ? path : "/usr/bin:/bin");

	for (char *p = list; *p; p++)
		*p = *p == ':' ? ' ' : *p;
	places = split_words(list, &count);
	free(list);
	for (size_t i = 0; i < count; i++) {
		if (access(text("%s/%s", places[i], program), X_OK) == 0)
			return;
	}
	probe_fail("%s can't be run: there is no such program on PATH", program);
}

struct words {
	char *list[256]; /* more are a failure */
	size_t count;
};

static void add_word(struct words *w, const char *word)
{
	if (w->count + 1 >= sizeof(w->list) / sizeof(w->list[0]))
		probe_fail("the command has too many words");
	w->list[w->count++] = strdup(word);
	w->list[w->count] = NULL;
}

const char *log_path(const struct server *s)
{
	const char *wanted = getenv("PROBE_STRACE_LOG");

	return wanted && *wanted ? wanted : text("%s/strace.log", s->dir);
}

/*
 * -D: the tracer is the grandchild, so that the server stays our own child.
 * -f: threads and children too. Entry as the time of day, length apart from it,
 * both in ns. 64 bytes of each buffer name a request.
 */
static void add_strace(struct words *w, const struct server *s, const char *extra)
{
	static const char *const base[] = {
		"strace", "-D", "-f", "-qq", "--absolute-timestamps=unix,ns", "--syscall-times=ns", "-s", "64",
	};
	size_t count;
	char **more = split_words(extra, &count);

	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++)
		add_word(w, base[i]);
	add_word(w, "-o");
	add_word(w, log_path(s));
	for (size_t i = 0; i < count; i++)
		add_word(w, more[i]);
	add_word(w, "--");
}

/* Adds the server's own words; fills in or appends the port. Returns it, or 0 where the server chooses. */
static int add_command(struct words *w, const struct server_options *o)
{
	int port = 0;

	for (char *const *argv = o->argv; *argv; argv++) {
		const char *hole = strstr(*argv, PORT_HOLE);

		if (hole && port == 0)
			port = free_port();
		if (hole)
			add_word(w, text("%.*s%d%s", (int)(hole - *argv), *argv, port, hole + strlen(PORT_HOLE)));
		else
			add_word(w, *argv);
	}
	if (port == 0 && !o->no_port) {
		add_word(w, "--port");
		add_word(w, "0");
	}
	return port;
}

static void set_environment(const struct server *s, const char *const *env)
{
	for (; env && *env; env++)
		putenv(strdup(*env));
	for (size_t i = 0; sanitizer_options[i][0]; i++)
		setenv(sanitizer_options[i][0], text(sanitizer_options[i][1], s->dir), 0);
}

/* In the child. A session of its own would lose Ctrl-C; a process group is enough to end it whole. */
static noreturn void become_server(const struct server *s, const struct server_options *o, char **words, pid_t parent,
				   int out, int err)
{
	struct rlimit limit = { .rlim_cur = (rlim_t)o->nofile, .rlim_max = (rlim_t)o->nofile };
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127); /* our parent died before it could be noticed */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u,
		    CLOSE_RANGE_CLOEXEC); /* whatever we inherited ourselves: the server counts its own */
	if (o->nofile > 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		perror("setrlimit");
	set_environment(s, o->env);
	execvp(words[0], words);
	fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static void spawn(struct server *s, const struct server_options *o, char **words)
{
	int out[2], err[2];
	pid_t parent = getpid();

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		probe_fail("pipe: %s", strerror(errno));
	fflush(NULL);
	s->pid = fork();
	if (s->pid < 0)
		probe_fail("fork: %s", strerror(errno));
	if (s->pid == 0)
		become_server(s, o, words, parent, out[1], err[1]);
	setpgid(s->pid, s->pid); /* whoever comes first */
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	s->out.fd = out[0];
	s->err.fd = err[0];
}

void launch(struct server *s, const struct server_options *o)
{
	struct words w = { .count = 0 };

	check_program(o->argv[0]);
	if (o->strace) {
		require_ptrace();
		add_strace(&w, s, o->strace);
	}
	s->port = add_command(&w, o);
	spawn(s, o, w.list);
	for (size_t i = 0; i < w.count; i++)
		free(w.list[i]);
}
