/*
 * schedule.c: an open loop's arrivals. They depend on the seed alone, and not
 * on how the server does: people who come in do not ask whether the queue
 * moves.
 */
#include "load.h"

void schedule_start(struct schedule *s, double rate, bool poisson, uint64_t seed)
{
	*s = (struct schedule){ .gap_ns = 1e9 / rate, .poisson = poisson, .draws = { seed } };
}

uint64_t schedule_next(struct schedule *s)
{
	double at = s->next_ns;

	s->next_ns += s->poisson ? s->gap_ns * draw_exponential(&s->draws) : s->gap_ns;
	return (uint64_t)at;
}
