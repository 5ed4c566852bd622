/* caught by: but the loop also calls write( */
/* on: ex1_one_crossing_each */
	for (long i = 0; i < n; i++) {
		getppid();
		if (i % 100 == 50)
			fprintf(stderr, "%ld of %ld\r", i, n);
	}
