/*
 * histogram.c: see histogram.h. A value of n bits stands in row n − 7, at the
 * place that its highest 8 bits name; smaller ones have a bucket each.
 */
#include "histogram.h"

#include <math.h>

static unsigned int row_of(uint64_t value)
{
	return value >> BUCKET_BITS ? (unsigned int)(64 - __builtin_clzll(value)) - BUCKET_BITS - 1 : 0;
}

static uint64_t bucket_of(uint64_t value)
{
	unsigned int row = row_of(value);

	return ((uint64_t)row << BUCKET_BITS) + (value >> row);
}

/* The largest value that falls into the bucket. */
static uint64_t upper_end(uint64_t bucket)
{
	uint64_t row = bucket >> BUCKET_BITS;

	row = row > 0 ? row - 1 : 0;
	return ((bucket - (row << BUCKET_BITS) + 1) << row) - 1;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t times)
{
	h->buckets[bucket_of(value)] += times;
	h->count += times;
	h->sum += (double)value * (double)times;
	h->max = value > h->max ? value : h->max;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t wanted = (uint64_t)ceil((double)h->count * percent / 100 - 1e-9), seen = 0;

	wanted = wanted > 0 ? wanted : 1;
	for (uint64_t i = 0; i < BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= wanted)
			return upper_end(i) < h->max ? upper_end(i) : h->max;
	}
	return 0;
}

uint64_t histogram_above(const struct histogram *h, uint64_t value)
{
	uint64_t above = 0;

	for (uint64_t i = bucket_of(value) + 1; i < BUCKETS; i++)
		above += h->buckets[i];
	return above;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}
