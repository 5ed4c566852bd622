#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- what a given server can't have: the one place that knows ---- */

static const struct exemption {
	const char *word, *reason;
} exemptions[] = {
	{ "blob", "it has no BLOB" },
	{ "spin", "it has no SPIN, so nothing holds its loop" },
	{ "work", "it has no WORK" },
	{ "options", "its options are its own, not the contract's" },
	{ "errors", "its errors are worded in its own way" },
	{ "limits", "its limits, on requests and on replies, are its own" },
	{ "sigterm", "SIGTERM would end it at once, where there are no signals: SIGINT, its Ctrl-C, is sent instead" },
	{ "rlimit", "RLIMIT_NOFILE does not bind it: its descriptors are another process's" },
	{ "files", "its descriptors are not to be counted in /proc" },
	{ "counts", "its system calls are not its own alone: a sanitizer's, a timer's or Wine's are among them" },
	{ "memory", "its resident memory holds more than its own: a sanitizer's shadow, or Wine" },
	{ "crowd", "5,000 connections are more than it can bear: a thread sanitizer's build, or Wine" },
	{ "cpu", "it spends CPU time while idle, by design" },
};

static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; at && (at = strstr(at, word)); at += size)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

bool exempt(const char *word)
{
	const char *sanitized = getenv("SANITIZED");

	if (sanitized && strcmp(sanitized, "1") == 0 && has_word("counts memory", word))
		return true;
	return has_word(getenv("EXEMPT"), word);
}

void needs(const char *words)
{
	for (size_t i = 0; i < sizeof(exemptions) / sizeof(exemptions[0]); i++)
		if (has_word(words, exemptions[i].word) && exempt(exemptions[i].word))
			probe_skip("%s", exemptions[i].reason);
}

/* ---- the scene ---- */

static void fail_test(const char *text)
{
	cr_assert_fail("%s", text);
	abort();
}

static void skip_test(const char *text)
{
	cr_skip_test("%s", text);
	abort();
}

void scene_open(void)
{
	char name[256];

	probe_on_fail = fail_test;
	probe_on_skip = skip_test;
	snprintf(name, sizeof(name), "%s.%s", criterion_current_suite->name, criterion_current_test->name);
	journal_open(name);
	if (exempt("sigterm"))
		probe_sigterm = SIGINT;
}

void scene_close(void)
{
	servers_kill();
}

/* ---- starting a server ---- */

/* The command under test and then `words`; the caller's to free, one piece. */
static char **command_with(const char *const *words)
{
	char *const *command = server_command();
	size_t count = 0, more = 0;

	while (command[count])
		count++;
	while (words && words[more])
		more++;
	char **argv = calloc(count + more + 1, sizeof(*argv));
	if (!argv)
		probe_fail("the test has no memory left");
	memcpy(argv, command, count * sizeof(*argv));
	for (size_t i = 0; i < more; i++)
		argv[count + i] = (char *)words[i];
	return argv;
}

struct server *server_start_with(const char *const *words, const char *strace, int nofile)
{
	char **argv = command_with(words);
	struct server *s = server_start(&(struct server_options){ .argv = argv, .strace = strace, .nofile = nofile });

	free(argv);
	return s;
}

struct server *server_start_traced(void)
{
	needs("counts");
	return server_start_with(NULL, "", 0);
}

static int patience_ms(void)
{
	const char *times = getenv("PROBE_PATIENCE");
	int factor = times ? atoi(times) : 1;

	return PATIENCE_MS * (factor > 0 ? factor : 1);
}

struct child child_start(const char *const *words)
{
	char **argv = command_with(words);
	int out[2], err[2];
	pid_t parent = getpid();

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		probe_fail("the test could not make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	free(argv);
	close(out[1]);
	close(err[1]);
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (pidfd < 0)
		probe_fail("the test could not start the server: %s", strerror(errno));
	return (struct child){ pid, pidfd, out[0], err[0] };
}

bool child_says_line(struct child *c, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && (used == 0 || line[used - 1] != '\n')) {
		struct pollfd ready = { c->out, POLLIN, 0 };
		if (poll(&ready, 1, patience_ms()) <= 0 || read(c->out, line + used, 1) != 1)
			break;
		used++;
	}
	line[used] = '\0';
	return used > 0 && line[used - 1] == '\n';
}

void child_read_line(struct child *c, char *line, size_t size)
{
	if (!child_says_line(c, line, size))
		probe_fail("expected the server to print a line on stdout, but it printed \"%s\" and no line end",
			   line);
}

/* What is left in a pipe whose writer has gone, as a string. A grandchild may still hold it open: nobody waits for that. */
static void drain(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (used + 1 < size && (got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	close(fd);
}

struct outcome child_wait(struct child *c)
{
	struct outcome o;
	struct pollfd ended = { c->pidfd, POLLIN, 0 };
	bool over = poll(&ended, 1, patience_ms()) == 1;

	if (!over)
		kill(c->pid, SIGKILL);
	waitpid(c->pid, &o.status, 0);
	close(c->pidfd);
	drain(c->out, o.out, sizeof(o.out));
	drain(c->err, o.err, sizeof(o.err));
	if (!over)
		probe_fail("expected the server to end, but it still ran, having printed \"%s%s\"", o.out, o.err);
	return o;
}

/* What the server was told, as it would be typed. */
static void typed(char *text, size_t size, const char *const *words)
{
	size_t used = 0;

	text[0] = '\0';
	for (; *words && used < size; words++)
		used += (size_t)snprintf(text + used, size - used, **words ? " %s" : " ''", *words);
}

void expect_refusal(const char *const *words, int status, const char *culprit)
{
	char told[256];

	typed(told, sizeof(told), words);
	expect("the server, started with%s, exits %d, with one line on stderr that names \"%s\"", told, status,
	       culprit);
	struct child c = child_start(words);
	struct outcome o = child_wait(&c);
	const char *end = strchr(o.err, '\n');

	if (WIFSIGNALED(o.status))
		probe_fail("the server died of signal %d, having printed \"%s\"", WTERMSIG(o.status), o.err);
	if (WEXITSTATUS(o.status) != status)
		probe_fail("expected exit status %d, but it was %d, after \"%s\"", status, WEXITSTATUS(o.status),
			   o.err);
	if (!end || end[1] != '\0')
		probe_fail("expected one line on stderr, but it was \"%s\"", o.err);
	if (!strstr(o.err, culprit))
		probe_fail("expected a line that names \"%s\", but it was \"%s\"", culprit, o.err);
	if (!strstr(o.err, ". ") || strlen(strstr(o.err, ". ")) < sizeof(". Do.\n") - 1)
		probe_fail("expected a line that says in a second sentence what to do, but it was \"%s\"", o.err);
	if (o.out[0])
		probe_fail("expected nothing on stdout, but it was \"%s\"", o.out);
}

/* ---- steps ---- */

unsigned long long client_id(struct client *c)
{
	client_send(c, "CLIENT ID\r\n");
	const char *line = client_read_line(c);
	char *end;
	unsigned long long id = line[0] == ':' ? strtoull(line + 1, &end, 10) : 0;

	if (id == 0 || *end)
		probe_fail("expected CLIENT ID to answer with a number from 1 on, as in \":7\", but it answered \"%s\"",
			   line);
	return id;
}

void client_expect_error(struct client *c, const char *prefix)
{
	const char *line = client_read_line(c);

	if (strncmp(line, prefix, strlen(prefix)) != 0)
		probe_fail("expected an error reply, \"%s…\", but the reply was \"%.60s\"", prefix, line);
}

/* Whatever the kernel then tells the peer of the wider window lets more bytes come: so not before they are read. */
void client_read_faster(struct client *c)
{
	int size = MIB;

	setsockopt(client_fd(c), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

void expect_served(struct server *s, const char *who)
{
	struct client *c = client_open(s, who);

	client_ping(c);
	client_close(c);
}

size_t files_at_rest(struct server *s)
{
	server_quiet(s);
	return server_open_files(s);
}

void expect_files(struct server *s, size_t files)
{
	struct timespec step = { 0, 1000000 };
	struct stillness stillness = { 0 };
	size_t open = files;

	if (exempt("files"))
		return;
	/* A server at rest may be in the middle of a WORK: its next event, perhaps the peer's end, comes after that. */
	for (int waited = 0; waited < patience_ms() && !server_is_still(s, NULL, &stillness); waited++) {
		server_quiet(s);
		open = server_open_files(s);
		if (open == files)
			return;
		nanosleep(&step, NULL);
	}
	if (!server_alive(s))
		probe_fail("expected the server to have %zu descriptors open, but %s", files, server_state(s));
	probe_fail("expected the server to have %zu descriptors open, but it has %zu: %s (%s)", files, open,
		   open > files ? "it leaks them" : "it closed one that it needs", server_state(s));
}

void expect_memory_below(struct server *s, uint64_t before, uint64_t bytes)
{
	uint64_t rss = server_rss(s), grown = rss > before ? rss - before : 0;

	journal_note("rss_growth", "%llu", (unsigned long long)grown);
	if (!exempt("memory") && grown >= bytes)
		probe_fail(
			"expected the server to grow by less than %llu KiB, but it grew by %llu KiB: replies that nobody takes must not be made",
			(unsigned long long)bytes / 1024, (unsigned long long)grown / 1024);
}

/* Lets time pass in which the server should do nothing. Not a synchronisation: what follows holds whatever the length. */
static void watch(void)
{
	struct timespec length = { WATCH_MS / 1000, WATCH_MS % 1000 * 1000000L };

	nanosleep(&length, NULL);
}

void expect_no_spin(struct server *s)
{
	uint64_t most = WATCH_MS * 1000000ull / 10;

	server_asleep(s);
	uint64_t before = server_cpu_ns(s);
	watch();
	uint64_t burnt = server_cpu_ns(s) - before;
	if (!exempt("cpu") && burnt > most)
		probe_fail("expected the server to sleep, but in %d ms it burnt %llu ms of CPU: %s", WATCH_MS,
			   (unsigned long long)burnt / 1000000, server_state(s));
}

void expect_calls_at_most(struct server *s, size_t most)
{
	server_quiet(s);
	uint64_t from = now_ns();
	watch();
	size_t calls = server_calls(s, from, NULL);

	journal_note("calls", "%zu", calls);
	if (calls > most)
		probe_fail(
			"expected %zu system calls at most in %d ms in which nothing happens, but there were %zu: %s",
			most, WATCH_MS, calls, server_state(s));
}

void server_tell(struct server *s, int signal)
{
	if (kill(server_pid(s), signal == SIGTERM ? probe_sigterm : signal) < 0)
		probe_fail("when SIG%s was sent the server was gone already: %s", sigabbrev_np(signal),
			   server_state(s));
}

void server_expect_exit(struct server *s)
{
	enum { STOP_MS = 2000, STEP_MS = 1 }; /* the contract's bound */
	struct timespec step = { 0, STEP_MS * 1000000L };

	for (int waited = 0; server_alive(s); waited += STEP_MS) {
		if (waited >= STOP_MS * patience_ms() / PATIENCE_MS)
			probe_fail("expected the server to exit within %d ms of the signal, but %s", STOP_MS,
				   server_state(s));
		nanosleep(&step, NULL);
	}
	int status = server_signal(s, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		probe_fail("expected the server to exit with 0, but %s", server_state(s));
}

struct client **clients_open(struct server *s, size_t count)
{
	struct client **clients = calloc(count, sizeof(*clients));

	if (!clients)
		probe_fail("the test has no memory left");
	for (size_t i = 0; i < count; i++)
		clients[i] = client_open(s, NULL);
	return clients;
}
