/*
 * wait.c: every wait of the probe has a bound, and none of them leaves a
 * server stuck in a write to its own stdout: what it prints is drained here.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "probe_internal.h"
#include "tool.h"

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
	caught = signal;
}

void probe_handle_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static void end_if_told(void)
{
	if (caught)
		exit(128 + caught);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int patience(int ms)
{
	const char *factor = getenv("PROBE_PATIENCE");
	double times = factor ? atof(factor) : 1;

	return times > 0 ? (int)(ms * times) : ms;
}

uint64_t deadline_in(int ms)
{
	return monotonic_ns() + (uint64_t)patience(ms) * 1000000u;
}

bool is_past(uint64_t deadline)
{
	return monotonic_ns() >= deadline;
}

void pause_us(uint32_t us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l };

	drain_outputs();
	end_if_told();
	nanosleep(&t, NULL);
	end_if_told();
}

enum { WATCHED_MAX = 64 }; /* pipes watched in one wait; those of further servers are drained when it ends */

/* Entry 0 is the caller's; the rest are the servers' pipes. */
static nfds_t fill_watched(struct pollfd *watched, int fd, short events)
{
	nfds_t n = 0;

	watched[n++] = (struct pollfd){ .fd = fd, .events = events };
	for (const struct server *s = servers; s && n + 2 <= WATCHED_MAX; s = s->next) {
		if (s->out.fd >= 0)
			watched[n++] = (struct pollfd){ .fd = s->out.fd, .events = POLLIN };
		if (s->err.fd >= 0)
			watched[n++] = (struct pollfd){ .fd = s->err.fd, .events = POLLIN };
	}
	return n;
}

enum waited wait_ready(const struct client *c, short events, uint64_t deadline)
{
	struct pollfd watched[WATCHED_MAX];
	struct stillness stillness = { 0 };
	bool still = false;

	for (;;) {
		nfds_t n = fill_watched(watched, c->fd, events);
		bool late = is_past(deadline);
		int ready = poll(watched, n, late || still ? 0 : LOOK_MS);

		end_if_told();
		if (ready > 0 && watched[0].revents)
			return READY;
		if (late || still)
			return still ? STILL : LATE;
		if (ready > 0)
			drain_outputs();
		still = server_is_still(c->server, c, &stillness);
	}
}
