/* caught by: the log shows 999 */
/* on: ex1_one_crossing_each */
	for (long i = 1; i < n; i++)
		getppid();
