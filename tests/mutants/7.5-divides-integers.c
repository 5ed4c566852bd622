/* caught by: threads, rounded, but there are */
/* on: ex5_for_every_core */
/* as solved */
/* ---- */
	long size = cores * (1 + (long)(wait_us / (cpu_us > 0 ? cpu_us : 1)));

	return size < THREADS_MAX ? size : THREADS_MAX;
