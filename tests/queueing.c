/*
 * queueing.c: the queueing model against published figures, and against laws
 * that it must obey.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "queueing.h"

static void near(double got, double expected, double tolerance, const char *what)
{
	cr_assert(fabs(got - expected) <= tolerance, "%s: expected %.6g ± %.2g, got %.6g", what, expected, tolerance,
		  got);
}

/* The load at which `share` of the arrivals are blocked. */
static double load_for(size_t servers, double share)
{
	double low = 0, high = 1000;

	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (erlang_b(servers, middle) < share)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * J. Dunlop, D. Girma, J. Irvine, Digital Mobile Communications and the TETRA
 * System (Wiley, 1999), A.3.2 “Erlang B Table”: 1 % blocking.
 */
Test(queueing, erlang_b_as_the_tables_have_it)
{
	static const double loads[] = { 0.01, 0.15, 0.46, 0.87 };

	for (size_t c = 1; c <= 4; c++)
		near(load_for(c, 0.01), loads[c - 1], 0.005, "load of c servers at 1 % blocking");
}

/* Westbay Engineers, Erlang Calculators' manual, “How much traffic can a trunk group handle”: 15 lines, 1 %: 8.108. */
Test(queueing, erlang_b_of_fifteen_lines)
{
	near(load_for(15, 0.01), 8.108, 0.0005, "load of 15 lines at 1 % blocking");
}

/* Wolfram Language, guide to queueing processes: 30 lines, 25 erlangs, about 0.05. */
Test(queueing, erlang_b_of_thirty_lines)
{
	near(erlang_b(30, 25), 0.05, 0.005, "blocked share");
}

/*
 * Gross and Harris, the eye clinic: six patients an hour, three doctors, twenty
 * minutes each. A patient waits with probability 4/9; 8/9 wait on average, for
 * 8.89 minutes.
 */
Test(queueing, the_eye_clinic)
{
	struct mmc clinic = { .rate = 6 / 3600.0, .service = 20 * 60, .servers = 3 };

	near(mmc_utilisation(&clinic), 2 / 3.0, 1e-12, "utilisation");
	near(erlang_c(3, 2), 4 / 9.0, 1e-12, "share that waits");
	near(mmc_wait(&clinic) / 60, 80 / 9.0, 1e-9, "minutes of waiting");
	near(mmc_response(&clinic) / 60, 20 + 80 / 9.0, 1e-9, "minutes in the clinic");
	near(little(clinic.rate, mmc_wait(&clinic)), 8 / 9.0, 1e-12, "patients waiting");
	near(little(clinic.rate, mmc_response(&clinic)), 26 / 9.0, 1e-12, "patients in the clinic");
}

/* With one server all has a simple form: C = ρ, and the response is exponential with mean s/(1−ρ). */
Test(queueing, one_server)
{
	struct mmc q = { .rate = 0.8, .service = 1, .servers = 1 };

	near(erlang_c(1, 0.8), 0.8, 1e-12, "share that waits");
	near(mmc_wait(&q), 4, 1e-9, "mean wait");
	near(mmc_response(&q), 5, 1e-9, "mean response");
	near(mmc_response_percentile(&q, 99), 5 * log(100), 1e-6, "99th percentile of the response");
	near(mmc_wait_percentile(&q, 99), 5 * log(80), 1e-9, "99th percentile of the wait");
	cr_assert(mmc_wait_percentile(&q, 10) == 0, "a fifth doesn't wait at all");
}

/* The closed form of two servers: C = 2ρ²/(1+ρ). */
Test(queueing, two_servers)
{
	for (double rho = 0.1; rho < 1; rho += 0.1)
		near(erlang_c(2, 2 * rho), 2 * rho * rho / (1 + rho), 1e-12, "share that waits");
}

/* Integrates P(T > t) numerically: it must be the mean, at equal rates (a = µ) and beside them. */
Test(queueing, percentiles_agree_with_means)
{
	for (double load = 0.9; load <= 1.1; load += 0.05) {
		struct mmc q = { .rate = load, .service = 1, .servers = 2 };
		double sum = 0;

		for (int i = 0; i < 100000; i++)
			sum += mmc_response_percentile(&q, (i + 0.5) / 1000) / 100000;
		near(sum, mmc_response(&q), 0.002 * mmc_response(&q), "mean of the percentiles");
	}
}

/* A thousand servers: c! has 2,568 digits. */
Test(queueing, many_servers_do_not_overflow)
{
	double waits = erlang_c(1000, 980);

	cr_assert(waits > 0.3 && waits < 0.5, "a share, but %g", waits);
	cr_assert(isfinite(erlang_b(1000000, 999000)) && erlang_b(1000000, 0) == 0);
}

Test(queueing, too_much_load_never_ends)
{
	struct mmc q = { .rate = 3, .service = 1, .servers = 3 };

	cr_assert(!mmc_is_stable(&q));
	cr_assert(erlang_c(3, 3) == 1 && erlang_c(3, 30) == 1);
	cr_assert(isinf(mmc_wait(&q)) && isinf(mmc_wait_percentile(&q, 50)));
	cr_assert(isinf(mmc_response(&q)) && isinf(mmc_response_percentile(&q, 1)));
}

Test(queueing, nobody_comes)
{
	struct mmc q = { .rate = 0, .service = 2, .servers = 4 };

	near(mmc_wait(&q), 0, 0, "mean wait");
	near(mmc_response_percentile(&q, 50), 2 * log(2), 1e-9, "median of the service alone");
}

/* B. Goetz et al., Java Concurrency in Practice (2006), 8.2: threads = cores · (1 + W/C), at full utilisation. */
Test(queueing, the_pool_formula)
{
	near(pool_size(2, 0, 500), 2, 0, "pure computing");
	near(pool_size(2, 4500, 500), 20, 1e-12, "nine times as much waiting");
}
