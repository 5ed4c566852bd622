/*
 * still.c: a wait in vain. A server that sleeps, and that nothing is going to
 * wake, will not answer however long we wait: a failure need not take the whole
 * bound. It is known from outside by three things:
 *  1. each of its threads has slept in the kernel for STILL_MS, in one and the
 *     same call, and has not run in between: no CPU time, no context switch;
 *  2. no clock wakes it: the call has no timeout, nor has the socket that it
 *     waits for; it has no timerfd, and no ring, whose timeouts can't be seen;
 *  3. the kernel owes nobody anything: what we sent has arrived, what it sent
 *     has arrived, and no timer of TCP is to send something again.
 * Whatever can't be found out speaks for waiting on. So does a server that no
 * longer listens: it is about to end, and has set an alarm, which is invisible.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "probe_internal.h"

enum { STILL_MS = 1000 }; /* times PROBE_PATIENCE, as every bound */

/* ---- it sleeps ---- */

struct look {
	uint64_t print; /* differs from the last one's when a thread has done anything */
	size_t threads;
};

static uint64_t mixed(uint64_t print, uint64_t value)
{
	return (print ^ value) * 1099511628211u;
}

/* Stops at a thread that does not sleep. */
static bool add_sleeper(pid_t pid, pid_t tid, void *arg)
{
	struct look *look = arg;
	char comm[32], line[256];
	char state = task_state(pid, tid, comm);

	if (state == 0 || state == 'Z' || state == 'X')
		return true;
	if (state != 'S' || read_small_file(text("/proc/%d/task/%d/syscall", pid, tid), line, sizeof(line)) <= 0)
		return false;
	look->threads++;
	look->print = mixed(look->print, (uint64_t)tid);
	for (const char *p = line; *p; p++)
		look->print = mixed(look->print, (uint64_t)*p);
	return true;
}

/* False when it does not sleep. */
static bool take_look(const struct server *s, uint64_t *print)
{
	struct look look = { .threads = 0 };

	if (!each_task(s->pid, add_sleeper, &look) || look.threads == 0)
		return false;
	*print = mixed(mixed(look.print, server_context_switches(s)), server_cpu_ns(s));
	return true;
}

/* ---- no clock wakes it ---- */

/* A timeout is a socket's option: SO_RCVTIMEO, SO_SNDTIMEO. What is no socket may be anything. */
static bool socket_has_no_timeout(pid_t pid, int fd, int option)
{
	struct timeval timeout = { .tv_sec = 1 };
	socklen_t size = sizeof(timeout);
	int pidfd = pidfd_open(pid, 0);
	int ours = pidfd < 0 ? -1 : pidfd_getfd(pidfd, fd, 0);
	bool read = ours >= 0 && getsockopt(ours, SOL_SOCKET, option, &timeout, &size) == 0;

	if (ours >= 0)
		close(ours);
	if (pidfd >= 0)
		close(pidfd);
	return read && timeout.tv_sec == 0 && timeout.tv_usec == 0;
}

/* The line is "NUMBER 0xARG 0xARG …", with six arguments. */
static bool waits_for_ever(pid_t pid, const char *line)
{
	unsigned long long args[6] = { 0 };
	long number;
	const struct waiting_call *call;

	if (sscanf(line, "%ld %llx %llx %llx %llx %llx %llx", &number, &args[0], &args[1], &args[2], &args[3], &args[4],
		   &args[5]) != 7 ||
	    !(call = waiting_call(number)))
		return false;
	switch (call->bound) {
	case BOUND_NONE:
		return true;
	case BOUND_MS:
		return (int)args[call->arg] < 0;
	case BOUND_POINTER:
		return args[call->arg] == 0;
	case BOUND_RCVTIMEO:
		return socket_has_no_timeout(pid, (int)args[0], SO_RCVTIMEO);
	case BOUND_SNDTIMEO:
		return socket_has_no_timeout(pid, (int)args[0], SO_SNDTIMEO);
	case BOUND_ITSELF:
		break;
	}
	return false;
}

static bool has_no_clock(pid_t pid)
{
	DIR *files = opendir(text("/proc/%d/fd", pid));
	const struct dirent *entry;
	bool none = files != NULL;

	while (none && (entry = readdir(files))) {
		char target[64] = "";

		if (readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1) > 0)
			none = strcmp(target, "anon_inode:[timerfd]") != 0 &&
			       strcmp(target, "anon_inode:[io_uring]") != 0;
	}
	if (files)
		closedir(files);
	return none;
}

/* Stops at a thread that may wake by itself. One that has ended in the meantime woke too. */
static bool sleeps_for_ever(pid_t pid, pid_t tid, void *arg)
{
	char line[256];

	(void)arg;
	return read_small_file(text("/proc/%d/task/%d/syscall", pid, tid), line, sizeof(line)) > 0 &&
	       waits_for_ever(pid, line) && (tid != pid || has_no_clock(pid));
}

/* ---- the kernel owes nobody anything ---- */

struct ends {
	bool listens;
	bool under_way;	 /* some kernel waits for an acknowledgement, or will send again */
	bool connected;	 /* the client's connection was found */
	unsigned unsent; /* what its server's end has not got rid of */
};

static void add_end(struct ends *e, const char *line, unsigned port, const struct sockaddr_in *client)
{
	enum { LISTEN = 0x0a, RETRANSMIT = 1 };
	unsigned local_port, address, remote_port, state, unsent, timer;

	if (sscanf(line, " %*d: %*8x:%4x %8x:%4x %2x %8x:%*8x %2x", &local_port, &address, &remote_port, &state,
		   &unsent, &timer) != 6 ||
	    (local_port != port && remote_port != port))
		return;
	e->under_way |= timer == RETRANSMIT;
	if (local_port != port)
		return;
	e->listens |= state == LISTEN;
	if (address == client->sin_addr.s_addr && remote_port == ntohs(client->sin_port)) {
		e->connected = true;
		e->unsent = unsent;
	}
}

/* What waits behind a closed window is not under way: its peer has to read first. But ours reads, so that it may yet come. */
static bool all_has_arrived(const struct server *s, const struct client *c)
{
	struct sockaddr_in client = { 0 };
	socklen_t size = sizeof(client);
	struct ends e = { .connected = false };
	FILE *table = fopen("/proc/net/tcp", "re");
	char line[512];

	if (!table)
		return false;
	if (c)
		getsockname(c->fd, (struct sockaddr *)&client, &size);
	while (fgets(line, sizeof(line), table))
		add_end(&e, line, (unsigned)s->port, &client);
	fclose(table);
	return e.listens && !e.under_way && (!c || (e.connected && e.unsent == 0));
}

bool server_is_still(struct server *s, const struct client *c, struct stillness *w)
{
	uint64_t now = monotonic_ns(), print;

	if (now < w->next_look)
		return false;
	w->next_look = now + LOOK_MS * 1000000u;
	if (!take_look(s, &print)) {
		w->since = 0;
		return false;
	}
	if (w->since == 0 || print != w->print) {
		w->since = monotonic_ns();
		w->print = print;
		return false;
	}
	if (now - w->since < (uint64_t)patience(STILL_MS) * 1000000u)
		return false;
	if (all_has_arrived(s, c) && each_task(s->pid, sleeps_for_ever, NULL) && take_look(s, &print) &&
	    print == w->print)
		return true;
	w->since = 0; /* something may yet happen: another second */
	return false;
}
