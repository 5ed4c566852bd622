/*
 * load.h: what the parts of the load generator share. One thread, one epoll
 * instance, one run a process.
 */
#ifndef CROSSINGS_LOAD_H
#define CROSSINGS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "mix.h"
#include "random.h"
#include "tool.h"

enum {
	LATE_NS = 1000000,   /* a request that leaves so long after it could have is one that the load was late with */
	PIPELINE_MAX = 1024, /* in flight on one connection; more is a usage error */
};

/* ---- what is wanted: the command line ---- */

struct plan {
	size_t connections, pipeline, idle, count, seed, server_cores, stall_ms;
	double rate; /* requests a second; 0: a closed loop */
	bool poisson, omission, append, last_words;
	double warmup_s, duration_s, drain_s, patience_s;
	const char *tsv, *model;
	struct mix mix;
	char *const *command; /* the server to start, or NULL: */
	const char *host;     /* one that runs */
	int port;
};

/* ---- schedule.c: when requests are due, in an open loop ---- */

struct schedule {
	double next_ns, gap_ns; /* of the next request, from the start; between two */
	bool poisson;
	struct draws draws;
};

void schedule_start(struct schedule *s, double rate, bool poisson, uint64_t seed);
uint64_t schedule_next(struct schedule *s); /* ns from the start; never less than the one before */

/* ---- link.c: one connection ---- */

/* Requests that left together and ask the same. */
struct burst {
	uint64_t intended, sent; /* monotonic ns */
	uint32_t command;	 /* of the mix */
	uint32_t left;		 /* without a reply */
	bool counted;		 /* not of the warm-up */
};

struct link {
	int fd;
	bool idle;    /* asks nothing */
	bool queued;  /* stands in the queue of those that have room (an open loop) */
	bool blocked; /* the socket had no room for all of it; epoll tells when it has */
	size_t number;
	struct burst *ring; /* `pipeline` of them */
	uint32_t first, bursts;
	uint32_t in_flight; /* requests in them */
	size_t matched;	    /* bytes of the first reply that have come */
	char *rest;	    /* what the socket had no room for */
	size_t rest_size;
};

/* ---- run.c: a run and what came of it ---- */

struct usage {
	uint64_t server_cpu, server_switches, load_cpu, time;
};

struct run {
	const struct plan *plan;
	struct mix *mix;
	struct server *server; /* NULL: one that ran already */
	int port, epoll_fd;
	struct link *links; /* active ones first, then idle ones */
	size_t link_count;
	struct link **roomy; /* a circle: who can take a request */
	size_t roomy_first, roomy_count;

	struct schedule schedule;
	struct draws commands; /* which command, and how much work */
	uint64_t due;	       /* when the next request is */
	uint64_t roomy_since;  /* since when somebody could have taken it */
	uint64_t room_from,
		room_to; /* a time in which somebody could have, until we looked; it holds r->due, or lies before */
	uint64_t begin, from, until, end; /* monotonic: of the run, of what is counted, of the waiting for replies */
	uint64_t last_reply, next_progress;
	bool stalled;

	uint64_t wakeups, events; /* while it counted: returns of the wait that brought any, and what they brought */
	uint64_t sent, replies, in_flight; /* of all */
	uint64_t counted, counted_left;	   /* requests that count: sent, and still to send */
	uint64_t completed, unanswered;	   /* replies while it counted; requests without any at the end */
	struct usage before, after;
	uint64_t server_rss;
	struct histogram latency, naive, lag; /* ns: from the intended time, from the send; how late we were */
	const char *failure;		      /* why it ended early, or NULL */
};

void run_open(struct run *r); /* starts or finds the server, and connects */
int run_loop(
	struct run
		*r); /* until it is over; r->failure says if that was early. Returns the signal that ended it, or 0 */
void run_close(struct run *r); /* a server of ours ends */
void run_fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the server is doing; one that runs elsewhere can't be asked. */
const char *run_server_state(struct run *r);

/* connect.c */
void open_links(struct run *r);
void check_descriptors(const struct plan *p);

/* Sends `count` requests, all intended at `intended`, all sent at `now`. */
void link_ask(struct run *r, struct link *l, size_t count, uint64_t intended, uint64_t now);
void link_flush(struct run *r, struct link *l);	  /* what the socket had no room for */
void link_receive(struct run *r, struct link *l); /* reads, verifies and records */
static inline bool link_has_room(const struct run *r, const struct link *l)
{
	return l->in_flight < r->plan->pipeline && !l->blocked;
}

uint64_t load_now(void); /* monotonic, ns */

/* ---- report.c ---- */

void report_progress(const struct run *r, uint64_t now);
void report_human(const struct run *r);
void report_tsv(const struct run *r);
double run_seconds(const struct run *r); /* how long it counted */

#endif
