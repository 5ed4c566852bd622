/* caught by: the log shows 999 */
	for (long i = 1; i < n; i++)
		getppid();
