/*
 * queueing.h: what theory says about requests that come at random and wait for
 * one of c servers: M/M/c. Arrivals are Poisson, service is exponential, who
 * comes first is served first, and nobody leaves.
 *
 * A. K. Erlang, “Løsning af nogle Problemer fra Sandsynlighedsregningen af
 * Betydning for de automatiske Telefoncentraler”, Elektroteknikeren 13 (1917):
 * both formulas. D. Gross, C. M. Harris, Fundamentals of Queueing Theory
 * (Wiley), the chapter on birth-death models: M/M/c as it is used here.
 * J. D. C. Little, “A Proof for the Queuing Formula L = λW”, Operations
 * Research 9 (1961).
 *
 * Rates are per second, times in seconds. `load` is λ·(mean service), in
 * erlangs: how many servers would be busy on average, were there enough.
 */
#ifndef CROSSINGS_QUEUEING_H
#define CROSSINGS_QUEUEING_H

#include <stdbool.h>
#include <stddef.h>

struct mmc {
	double rate;	/* λ, arrivals; 0 or more */
	double service; /* 1/µ, mean; above 0 */
	size_t servers; /* c, 1 or more */
};

/* Erlang B: the share of arrivals that find all servers busy, where nobody waits. By recursion over c: no factorial overflows. */
double erlang_b(size_t servers, double load);

/* Erlang C: the share of arrivals that have to wait. 1 where the load is too much. */
double erlang_c(size_t servers, double load);

/* λ·s/c; below 1, or the queue grows for ever. */
double mmc_utilisation(const struct mmc *q);
bool mmc_is_stable(const struct mmc *q);

/* Means, and the time that `percent` of 100 requests do not exceed; INFINITY where the queue is not stable. */
double mmc_wait(const struct mmc *q); /* in the queue */
double mmc_wait_percentile(const struct mmc *q, double percent);
double mmc_response(const struct mmc *q); /* queue and service */
double mmc_response_percentile(const struct mmc *q, double percent);

/* Little's law, for any queue at all: how many are in it, from how fast they come and how long they stay. */
double little(double rate, double time);

/* N·(1 + W/S): threads that keep N cores busy, where a request computes for S and waits for W. `compute` is above 0. */
double pool_size(double cores, double wait, double compute);

#endif
