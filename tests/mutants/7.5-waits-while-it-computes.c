/* caught by: a thread that computes does not wait */
/* on: ex5_work_that_computes */
	uint64_t wait_ns = ns;
