/* caught by: the log shows 1: */
/* on: ex1_one_crossing_each */
	/* The answer does not change, so it is kept: what the C library once did for getpid(2). */
	static pid_t parent;
	for (long i = 0; i < n; i++)
		if (!parent)
			parent = getppid();
