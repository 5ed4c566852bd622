/* caught by: the log shows 1001 */
/* on: ex1_one_crossing_each */
	getppid(); /* the first one is slow, and so it is paid for and not counted */
	for (long i = 0; i < n; i++)
		getppid();
