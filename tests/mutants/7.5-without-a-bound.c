/* caught by: out of bounds for type */
/* on: ex5_work_that_only_waits */
/* as solved */
/* ---- */
	double each = 1 + (double)wait_us / (double)(cpu_us > 0 ? cpu_us : 1);

	return (long)((double)cores * each + 0.5);
