/*
 * random.h: numbers that only a seed decides, the same on every machine
 * (splitmix64, by Steele, Lea and Flood: “Fast Splittable Pseudorandom Number
 * Generators”, OOPSLA 2014).
 */
#ifndef CROSSINGS_RANDOM_H
#define CROSSINGS_RANDOM_H

#include <math.h>
#include <stdint.h>

struct draws {
	uint64_t state; /* the seed, at first */
};

static inline uint64_t draw_bits(struct draws *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* In [0, 1). */
static inline double draw(struct draws *d)
{
	return (double)(draw_bits(d) >> 11) * 0x1p-53;
}

/* Exponentially distributed, with mean 1. */
static inline double draw_exponential(struct draws *d)
{
	return -log1p(-draw(d));
}

#endif
