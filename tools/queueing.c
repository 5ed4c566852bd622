/*
 * queueing.c: see queueing.h.
 */
#include <math.h>

#include "queueing.h"

enum { BISECTIONS = 200 }; /* more than a double has bits */

double erlang_b(size_t servers, double load)
{
	double blocked = 1; /* with no server, all are */

	for (size_t c = 1; c <= servers; c++)
		blocked = load * blocked / ((double)c + load * blocked);
	return blocked;
}

double erlang_c(size_t servers, double load)
{
	double c = (double)servers, blocked = erlang_b(servers, load);

	if (load >= c)
		return 1;
	return c * blocked / (c - load * (1 - blocked));
}

static double load_of(const struct mmc *q)
{
	return q->rate * q->service;
}

double mmc_utilisation(const struct mmc *q)
{
	return load_of(q) / (double)q->servers;
}

bool mmc_is_stable(const struct mmc *q)
{
	return mmc_utilisation(q) < 1;
}

/* cµ − λ: how fast a queue shrinks while all servers are busy. Who waits at all waits exponentially long, at this rate. */
static double relief(const struct mmc *q)
{
	return (double)q->servers / q->service - q->rate;
}

double mmc_wait(const struct mmc *q)
{
	return mmc_is_stable(q) ? erlang_c(q->servers, load_of(q)) / relief(q) : INFINITY;
}

/* P(wait > t) = C·e^−(cµ−λ)t */
double mmc_wait_percentile(const struct mmc *q, double percent)
{
	double above = 1 - percent / 100, waits;

	if (!mmc_is_stable(q))
		return INFINITY;
	waits = erlang_c(q->servers, load_of(q));
	return waits > above ? log(waits / above) / relief(q) : 0;
}

double mmc_response(const struct mmc *q)
{
	return mmc_wait(q) + q->service;
}

/* P(response > t): the wait, 0 or exponential at rate a = cµ − λ, and the service, exponential at µ, one after the other. */
static double response_above(const struct mmc *q, double t)
{
	double mu = 1 / q->service, a = relief(q), waits = erlang_c(q->servers, load_of(q));

	if (fabs(a - mu) < 1e-9 * mu) /* the same rate twice: the quotient's limit */
		return exp(-mu * t) * (1 + waits * mu * t);
	return exp(-mu * t) + waits * mu * (exp(-mu * t) - exp(-a * t)) / (a - mu);
}

double mmc_response_percentile(const struct mmc *q, double percent)
{
	double above = 1 - percent / 100, low = 0, high = q->service;

	if (!mmc_is_stable(q))
		return INFINITY;
	while (response_above(q, high) > above)
		high *= 2;
	for (int i = 0; i < BISECTIONS; i++) {
		double middle = (low + high) / 2;

		if (response_above(q, middle) > above)
			low = middle;
		else
			high = middle;
	}
	return high;
}

double little(double rate, double time)
{
	return rate * time;
}

double pool_size(double cores, double wait, double compute)
{
	return cores * (1 + wait / compute);
}
