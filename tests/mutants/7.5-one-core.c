/* caught by: threads, rounded, but there are */
/* on: ex5_for_every_core */
/* as solved */
/* ---- */
	double size = 1 + (double)wait_us / (double)(cpu_us > 0 ? cpu_us : 1) + 0.5;

	return size < THREADS_MAX ? (long)size : THREADS_MAX;
