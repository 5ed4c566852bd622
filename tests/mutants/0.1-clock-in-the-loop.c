/* caught by: but the loop also calls clock_gettime( */
/* on: ex1_one_crossing_each */
	/* A clock that the vDSO cannot read: each time it is asked, there is a second crossing. */
	struct timespec t;
	for (long i = 0; i < n; i++) {
		getppid();
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	}
