#include "pace.h"

#include "options.h"
#include "startup.h"

static double loops_per_us;

static void burn(uint64_t loops)
{
	for (uint64_t i = 0; i < loops; i++)
		__asm__ volatile(""); /* keeps the compiler from seeing that nothing is computed */
}

/*
 * The best of many tries, over some milliseconds: a try in which another
 * process ran is too slow, never too fast.
 */
void measure_pace(void)
{
	enum { LOOPS = 20000, TRIES_MIN = 10, MEASURE_US = 5000 };
	double begin = now_us();

	loops_per_us = (double)pace;
	if (pace > 0)
		return;
	for (int i = 0; i < TRIES_MIN || now_us() - begin < MEASURE_US; i++) {
		double from = now_us();
		burn(LOOPS);
		double us = now_us() - from;
		if (us > 0 && LOOPS / us > loops_per_us)
			loops_per_us = LOOPS / us;
	}
}

void burn_us(uint32_t us)
{
	burn((uint64_t)(us * loops_per_us));
}
