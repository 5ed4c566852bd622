/*
 * run.c: a run from its first connection to its last reply.
 *
 *	begin --- warm-up --- from --- counted --- until --- replies --- end
 *
 * A closed loop asks again when all replies to a burst have come: a slow
 * server is asked less. An open loop asks when the schedule says so. When no
 * connection has room, the request waits with us, and its latency grows from
 * the moment that it was due.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "probe_internal.h"

enum {
	EVENTS_MAX = 512,
	NEAR_NS = 60000, /* a wake-up takes about so long: what is due sooner is polled for, on a core of our own */
	PROGRESS_NS = 250000000, /* between two lines of progress */
	ENDING_MS = 500,	 /* how long a server may take to die, once its connections have ended */
	PRIORITY = -10,		 /* asked for where we share cores: a load that waits for one measures itself */
};

static volatile sig_atomic_t caught;

uint64_t load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void run_fail(struct run *r, const char *format, ...)
{
	va_list args;
	char *line = NULL;

	if (r->failure)
		return; /* the first one is the reason of the others */
	va_start(args, format);
	if (vasprintf(&line, format, args) < 0)
		line = NULL;
	va_end(args);
	r->failure = line ? line : "no memory";
}

const char *run_server_state(struct run *r)
{
	uint64_t deadline = deadline_in(ENDING_MS);

	if (!r->server)
		return "what it is doing can't be seen from here";
	while (server_alive(r->server) && !is_past(deadline))
		pause_us(1000);
	return server_state(r->server);
}

/* ---- cores ---- */

/* The server has the first cores that we may use. We have the last, where one is left for us. */
static void use_cores(size_t of_server, bool ours)
{
	static cpu_set_t allowed;
	cpu_set_t mask;
	size_t seen = 0, all;

	if (CPU_COUNT(&allowed) == 0)
		sched_getaffinity(0, sizeof(allowed), &allowed);
	all = (size_t)CPU_COUNT(&allowed);
	CPU_ZERO(&mask);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		seen++;
		if (ours ? of_server >= all || seen == all : seen <= of_server)
			CPU_SET(cpu, &mask);
	}
	sched_setaffinity(0, sizeof(mask), &mask);
}

static bool shares_cores(const struct plan *p)
{
	cpu_set_t own;

	sched_getaffinity(0, sizeof(own), &own);
	return CPU_COUNT(&own) > 1 || p->server_cores >= (size_t)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- begin ---- */

static void on_signal(int signal)
{
	caught = signal;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static void make_roomy(struct run *r, struct link *l)
{
	if (l->queued || l->idle || !link_has_room(r, l))
		return;
	if (r->roomy_count == 0)
		r->roomy_since = load_now();
	l->queued = true;
	r->roomy[(r->roomy_first + r->roomy_count++) % r->plan->connections] = l;
}

void run_open(struct run *r)
{
	const struct plan *p = r->plan;

	check_descriptors(p);
	r->port = p->port;
	if (p->command) {
		use_cores(p->server_cores, false);
		r->server = server_start(&(struct server_options){ .argv = p->command });
		r->port = server_port(r->server);
		use_cores(p->server_cores, true);
	}
	prctl(PR_SET_TIMERSLACK, 1UL); /* else a timer may ring 50 µs late */
	if (shares_cores(p))
		(void)setpriority(PRIO_PROCESS, 0, PRIORITY); /* where it is allowed */
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->link_count = p->connections + p->idle + (p->stall_ms > 0);
	r->links = calloc(r->link_count, sizeof(*r->links));
	r->roomy = calloc(p->connections, sizeof(struct link *));
	open_links(r);
	for (size_t i = 0; i < p->connections; i++)
		make_roomy(r, &r->links[i]);
	catch_signals();
}

static void set_times(struct run *r)
{
	const struct plan *p = r->plan;

	r->begin = r->last_reply = r->roomy_since = load_now();
	r->from = r->begin + (uint64_t)(p->warmup_s * 1e9);
	r->until = p->count > 0 ? UINT64_MAX : r->from + (uint64_t)(p->duration_s * 1e9);
	r->end = r->until == UINT64_MAX ? UINT64_MAX : r->until + (uint64_t)(p->drain_s * 1e9);
	r->counted_left = p->count;
	r->commands.state = p->seed ^ 0x6c6f6164; /* another stream than the arrivals': they stay, whatever is asked */
	if (p->rate > 0) {
		schedule_start(&r->schedule, p->rate, p->poisson, p->seed);
		r->due = r->begin + schedule_next(&r->schedule);
	}
}

static struct usage usage_of(const struct run *r)
{
	struct timespec own;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	return (struct usage){
		.server_cpu = r->server ? server_cpu_ns(r->server) : 0,
		.server_switches = r->server ? server_context_switches(r->server) : 0,
		.load_cpu = (uint64_t)own.tv_sec * 1000000000u + (uint64_t)own.tv_nsec,
		.time = load_now(),
	};
}

/* ---- ask ---- */

static bool may_ask(const struct run *r, uint64_t at)
{
	return !r->failure && at < r->until && (r->plan->count == 0 || r->counted_left > 0);
}

/* A closed loop: a burst, when the last one has been answered. One in which nothing is answered asks for another. */
static void ask_again(struct run *r, struct link *l)
{
	uint64_t now = load_now();

	while (l->in_flight == 0 && !l->blocked && may_ask(r, now)) {
		size_t burst = r->plan->pipeline;

		if (r->plan->count > 0 && now >= r->from && burst > r->counted_left)
			burst = r->counted_left;
		link_ask(r, l, burst, now, now);
	}
}

/*
 * When the next request could have left: when it was due, if a connection had
 * room then; else when one got room. What is later than that is our doing.
 */
static uint64_t possible_time(const struct run *r)
{
	if (r->due >= r->room_from && r->due <= r->room_to)
		return r->due;
	return r->due > r->roomy_since ? r->due : r->roomy_since;
}

/* An open loop: all that is due, as far as connections have room. */
static void ask_due(struct run *r)
{
	uint64_t now = load_now();

	if (r->roomy_count > 0 && r->due > r->room_to) {
		r->room_from = r->roomy_since;
		r->room_to = now;
	}
	for (; r->due <= now && r->roomy_count > 0 && may_ask(r, r->due); now = load_now()) {
		struct link *l = r->roomy[r->roomy_first];

		r->roomy_first = (r->roomy_first + 1) % r->plan->connections;
		r->roomy_count--;
		l->queued = false;
		if (r->due >= r->from)
			histogram_add(&r->lag, now - possible_time(r), 1);
		link_ask(r, l, 1, r->due, now);
		make_roomy(r, l);
		r->due = r->begin + schedule_next(&r->schedule);
	}
}

/* The stall that --stall asks for: the server's loop computes, for all of its clients, a third into what counts. */
static void stall(struct run *r, uint64_t now)
{
	struct link *l = &r->links[r->link_count - 1];
	double counted_s = r->plan->count == 0 ? r->plan->duration_s
			   : r->plan->rate > 0 ? (double)r->plan->count / r->plan->rate
					       : 0;
	char spin[64];

	if (r->stalled || r->plan->stall_ms == 0 || now < r->from + (uint64_t)(counted_s * 1e9 / 3))
		return;
	r->stalled = true;
	snprintf(spin, sizeof(spin), "SPIN %zu\r\n", r->plan->stall_ms * 1000);
	if (send(l->fd, spin, strlen(spin), MSG_NOSIGNAL) < 0)
		run_fail(r, "the stall could not be sent: %s", strerror(errno));
}

/* ---- the loop ---- */

static void on_event(struct run *r, struct link *l, uint32_t events)
{
	if (l->idle) {
		run_fail(r, "an idle connection was closed by the server, or sent something: %s", run_server_state(r));
		return;
	}
	link_receive(r, l);
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) && !r->failure)
		link_receive(r, l); /* the end stands behind the last bytes */
	if (events & EPOLLOUT)
		link_flush(r, l);
	if (r->plan->rate > 0)
		make_roomy(r, l);
	else
		ask_again(r, l);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long to wait for events: until the next thing that time alone brings. */
static uint64_t wait_ns(const struct run *r, uint64_t now, bool shared)
{
	uint64_t until = earliest(now + PROGRESS_NS, now < r->until ? r->until : r->end);

	if (now < r->from)
		until = earliest(until, r->from);
	if (r->plan->rate > 0 && r->roomy_count > 0 && may_ask(r, r->due)) {
		until = earliest(until, r->due);
		if (!shared && until < now + NEAR_NS)
			return 0;
	}
	return until > now ? until - now : 0;
}

static void take_events(struct run *r, uint64_t ns)
{
	struct epoll_event events[EVENTS_MAX];
	struct timespec timeout = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
	int n = epoll_pwait2(r->epoll_fd, events, EVENTS_MAX, &timeout, NULL);

	if (n < 0 && errno != EINTR)
		run_fail(r, "cannot wait for events: %s", strerror(errno));
	if (n > 0 && r->before.time > 0 && r->after.time == 0) {
		r->wakeups++;
		r->events += (uint64_t)n;
	}
	for (int i = 0; i < n && !r->failure; i++)
		on_event(r, events[i].data.ptr, events[i].events);
}

/* What begins and ends by the clock. */
static void mark_time(struct run *r, uint64_t now)
{
	if (r->before.time == 0 && now >= r->from)
		r->before = usage_of(r);
	if (r->after.time == 0 && now >= r->until)
		r->after = usage_of(r);
	if (r->plan->count > 0 && r->counted_left == 0 && r->end == UINT64_MAX)
		r->end = now + (uint64_t)(r->plan->patience_s * 1e9);
	if (now >= r->next_progress) {
		report_progress(r, now);
		drain_outputs();
		r->next_progress = now + PROGRESS_NS;
	}
	stall(r, now);
}

static bool is_over(struct run *r, uint64_t now)
{
	bool open = r->plan->rate > 0, due = open && r->due < r->until;
	bool all_sent = r->plan->count > 0 ? r->counted_left == 0 : now >= r->until && !due;

	if (caught)
		run_fail(r, "interrupted by SIG%s", sigabbrev_np(caught));
	if (r->in_flight > 0 && now > r->last_reply + (uint64_t)(r->plan->patience_s * 1e9) && now < r->until)
		run_fail(r, "no reply for %g s: %s", r->plan->patience_s, run_server_state(r));
	if (r->in_flight == 0)
		r->last_reply = now;
	return r->failure || (all_sent && r->in_flight == 0) || now >= r->end;
}

/* Who waits still is counted with the time that it has waited: less than it will have been. */
static void count_unanswered(struct run *r)
{
	uint64_t now = load_now();

	for (size_t i = 0; i < r->plan->connections; i++) {
		const struct link *l = &r->links[i];

		for (uint32_t j = 0; j < l->bursts; j++) {
			const struct burst *b = &l->ring[(l->first + j) % r->plan->pipeline];

			if (!b->counted)
				continue;
			histogram_add(&r->latency, now - b->intended, b->left);
			histogram_add(&r->naive, now - b->sent, b->left);
			r->unanswered += b->left;
		}
	}
	for (; r->plan->rate > 0 && may_ask(r, r->due) && r->due < now;
	     r->due = r->begin + schedule_next(&r->schedule)) {
		if (r->due < r->from)
			continue;
		histogram_add(&r->latency, now - r->due, 1);
		r->counted++;
		r->counted_left -= r->plan->count > 0;
		r->unanswered++;
	}
}

int run_loop(struct run *r)
{
	bool shared = shares_cores(r->plan);
	uint64_t now;

	set_times(r);
	for (size_t i = 0; r->plan->rate <= 0 && i < r->plan->connections; i++)
		ask_again(r, &r->links[i]);
	for (;;) {
		now = load_now();
		mark_time(r, now);
		if (is_over(r, now))
			break;
		if (r->plan->rate > 0)
			ask_due(r);
		take_events(r, wait_ns(r, load_now(), shared));
	}
	if (r->before.time == 0)
		r->before = usage_of(r);
	if (r->after.time == 0)
		r->after = usage_of(r);
	r->server_rss = r->server ? server_rss(r->server) : 0;
	count_unanswered(r);
	report_progress(r, 0);
	return caught;
}

/* Lets a server of ours end by itself, and shows what it says last: chapter 7's says how its pool did. */
static void show_last_words(struct run *r)
{
	const char *words;

	server_stop(r->server);
	words = last_line(&r->server->err);
	printf("  last words: %s\n", *words ? words : "none");
}

/* A server that does not end as the contract says is else a matter for tests, not for a load. */
void run_close(struct run *r)
{
	for (size_t i = 0; i < r->link_count; i++)
		close(r->links[i].fd);
	if (r->plan->last_words && r->server && !r->failure)
		show_last_words(r);
	servers_kill();
}
