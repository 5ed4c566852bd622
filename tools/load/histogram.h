/*
 * histogram.h: latencies in buckets whose width grows with the value: 128 to
 * each doubling, so that any figure is exact to 0.8 %, from a nanosecond to
 * centuries, in constant time and memory.
 */
#ifndef CROSSINGS_HISTOGRAM_H
#define CROSSINGS_HISTOGRAM_H

#include <stdint.h>

enum {
	BUCKET_BITS = 7,
	BUCKETS = (64 - BUCKET_BITS + 1) << BUCKET_BITS,
};

struct histogram {
	uint64_t count, max;
	double sum;
	uint64_t buckets[BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value, uint64_t times);

/*
 * The value that `percent` of 100 do not exceed: the upper end of its bucket,
 * but never more than the largest one seen. 0 when nothing was added.
 */
uint64_t histogram_percentile(const struct histogram *h, double percent);

/* How many are above `value`, as far as buckets tell. */
uint64_t histogram_above(const struct histogram *h, uint64_t value);

double histogram_mean(const struct histogram *h);

#endif
