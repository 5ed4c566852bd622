/* caught by: threads, rounded, but there are */
/* on: ex5_work_that_waits */
/* as solved */
/* ---- */
	double size = (double)cores * (1 + (double)cpu_us / (double)(wait_us > 0 ? wait_us : 1)) + 0.5;

	return size < THREADS_MAX ? (long)size : THREADS_MAX;
