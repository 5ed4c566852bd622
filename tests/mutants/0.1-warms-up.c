/* caught by: the log shows 1001 */
	getppid(); /* the first one is slow, and so it is paid for and not counted */
	for (long i = 0; i < n; i++)
		getppid();
