/*
 * measure.c: what the load generator measures with: its histogram, its
 * arrivals, its mix of commands.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

static void near(double got, double expected, double share, const char *what)
{
	cr_assert(fabs(got - expected) <= share * expected, "%s: expected about %g, got %g", what, expected, got);
}

/* ---- histogram ---- */

Test(histogram, small_values_are_exact)
{
	static struct histogram h;

	for (uint64_t v = 1; v <= 100; v++)
		histogram_add(&h, v, 1);
	for (uint64_t p = 1; p <= 100; p++)
		cr_assert(histogram_percentile(&h, (double)p) == p, "p%lu is %lu", p,
			  histogram_percentile(&h, (double)p));
	cr_assert(h.max == 100 && histogram_mean(&h) == 50.5);
}

/* A bucket's upper end is never below a value in it, and at most 1/128 above. */
Test(histogram, every_bucket_is_narrow)
{
	for (int bits = 0; bits < 64; bits++) {
		for (uint64_t offset = 0; offset < 3; offset++) {
			static struct histogram h;
			uint64_t value = ((uint64_t)1 << bits) + offset * (((uint64_t)1 << bits) / 3);

			memset(&h, 0, sizeof(h));
			histogram_add(&h, value, 1);
			h.max = UINT64_MAX; /* the bucket's own end shows */
			uint64_t end = histogram_percentile(&h, 50);

			cr_assert(end >= value && end - value <= value / 128, "%lu is shown as %lu", value, end);
		}
	}
}

Test(histogram, the_largest_value_is_shown_as_it_was)
{
	static struct histogram h;

	histogram_add(&h, 1000003, 1);
	histogram_add(&h, UINT64_MAX, 1);
	cr_assert(histogram_percentile(&h, 100) == UINT64_MAX && h.max == UINT64_MAX);
	near((double)histogram_percentile(&h, 50), 1000003, 0.01, "p50");
}

/* Of 10,000 values the 99.99th percentile leaves out one, and no rounding makes it two or none. */
Test(histogram, the_last_in_ten_thousand)
{
	static struct histogram h;

	histogram_add(&h, 10, 9999);
	histogram_add(&h, 1000000, 1);
	cr_assert(histogram_percentile(&h, 99.99) == 10);
	histogram_add(&h, 1000000, 1);
	cr_assert(histogram_percentile(&h, 99.99) > 900000);
	cr_assert(histogram_above(&h, 1000) == 2 && histogram_above(&h, 5) == 10001 && histogram_above(&h, 10) == 2);
}

Test(histogram, empty)
{
	static struct histogram h;

	cr_assert(histogram_percentile(&h, 99) == 0 && histogram_mean(&h) == 0 && histogram_above(&h, 0) == 0);
}

/* ---- arrivals ---- */

Test(arrivals, constant_ones_are_evenly_spaced)
{
	struct schedule s;

	schedule_start(&s, 1000, false, 7);
	for (uint64_t i = 0; i < 5000; i++)
		cr_assert(schedule_next(&s) == i * 1000000);
}

/* Gaps of a Poisson process: mean 1/λ, variance 1/λ², and e⁻¹ of them above the mean. */
Test(arrivals, poisson)
{
	enum { COUNT = 200000 };
	struct schedule s;
	double last = 0, sum = 0, squares = 0;
	size_t above = 0;

	schedule_start(&s, 1000, true, 7);
	schedule_next(&s);
	for (size_t i = 0; i < COUNT; i++) {
		double at = (double)schedule_next(&s), gap = at - last;

		cr_assert(gap >= 0);
		last = at;
		sum += gap;
		squares += gap * gap;
		above += gap > 1e6;
	}
	near(sum / COUNT, 1e6, 0.01, "mean gap");
	near(squares / COUNT - (sum / COUNT) * (sum / COUNT), 1e12, 0.03, "variance of the gaps");
	near((double)above / COUNT, exp(-1), 0.02, "share of gaps above the mean");
}

Test(arrivals, the_same_seed_the_same_schedule)
{
	struct schedule a, b, c;
	bool differs = false;

	schedule_start(&a, 123, true, 1);
	schedule_start(&b, 123, true, 1);
	schedule_start(&c, 123, true, 2);
	for (int i = 0; i < 1000; i++) {
		uint64_t at = schedule_next(&a);

		cr_assert(at == schedule_next(&b));
		differs |= at != schedule_next(&c);
	}
	cr_assert(differs);
}

/* ---- mix ---- */

static void wrong(const char *text, const char *expected)
{
	struct mix m;
	const char *why = mix_parse(&m, text);

	cr_assert(why && strstr(why, expected), "\"%s\" is answered with %s", text, why ? why : "nothing");
}

Test(mix, weights_and_replies)
{
	struct mix m;

	cr_assert(mix_parse(&m, "PING=9, WORK 0 2000=1 ,BLOB 3, ECHO hello,ping you,SPIN 5=2") == NULL);
	cr_assert(m.count == 6);
	near(m.commands[0].upto, 9.0 / 15, 1e-9, "share of PING");
	near(m.commands[5].upto, 1, 1e-9, "share of all");
	cr_assert_str_eq(m.commands[1].name, "WORK 0 2000");
	cr_assert_str_eq(m.commands[1].request, "WORK 0 2000\r\n");
	cr_assert(strncmp(m.commands[2].reply, "$3\r\nabc\r\n", m.commands[2].reply_size) == 0);
	cr_assert(strncmp(m.commands[3].reply, "$5\r\nhello\r\n", m.commands[3].reply_size) == 0);
	cr_assert(strncmp(m.commands[4].reply, "$3\r\nyou\r\n", m.commands[4].reply_size) == 0);
	cr_assert(m.commands[5].reply == NULL);
	cr_assert(mix_choose(&m, 0) == 0 && mix_choose(&m, 0.59) == 0 && mix_choose(&m, 0.61) == 1 &&
		  mix_choose(&m, 0.9999) == 5);
}

Test(mix, what_can_not_be)
{
	wrong("", "empty");
	wrong("PING,,PING", "empty");
	wrong("PING=0", "weight");
	wrong("PING=", "weight");
	wrong("PING=-1", "weight");
	wrong("GET x", "knows PING");
	wrong("PING a b", "knows PING");
	wrong("BLOB 1048577", "knows PING");
	wrong("WORK 1", "two numbers");
	wrong("PING,PING,PING,PING,PING,PING,PING,PING,PING", "more than 8");
}

Test(mix, repeated)
{
	struct mix m;

	cr_assert(mix_parse(&m, "PING,BLOB 100000") == NULL);
	mix_repeat(&m, 3);
	cr_assert(strncmp(m.commands[0].requests, "PING\r\nPING\r\nPING\r\n", 18) == 0);
	cr_assert(m.commands[0].repeats == 3 && memcmp(m.commands[0].replies, "+PONG\r\n+PONG\r\n+PONG\r\n", 21) == 0);
	cr_assert(m.commands[1].repeats == 1, "long replies are compared one by one");
}

/* Drawn work has the means that were asked for, and each request the same ratio. */
Test(mix, drawn_work)
{
	enum { COUNT = 20000 };
	struct mix m;
	struct draws d = { 3 };
	double cpu = 0, wait = 0;

	cr_assert(mix_parse(&m, "WORK ~200 ~1800") == NULL);
	for (int i = 0; i < COUNT; i++) {
		char request[REQUEST_SIZE];
		unsigned int c, w;
		size_t size = command_request(&m.commands[0], &d, request);

		request[size] = '\0';
		cr_assert(sscanf(request, "WORK %u %u\r\n", &c, &w) == 2, "%s", request);
		cr_assert(fabs(w - 9.0 * c) <= 5.5, "%u and %u", c, w);
		cpu += c;
		wait += w;
	}
	near(cpu / COUNT, 200, 0.02, "mean of computing");
	near(wait / COUNT, 1800, 0.02, "mean of waiting");
}
