/* caught by: threads, rounded, but there are */
/* on: ex5_for_every_core */
/* as solved */
/* ---- */
	double size = (double)cores * (double)wait_us / (double)(cpu_us > 0 ? cpu_us : 1) + 0.5;

	return size < 1 ? 1 : size < THREADS_MAX ? (long)size : THREADS_MAX;
