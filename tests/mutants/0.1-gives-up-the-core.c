/* caught by: but the loop also calls sched_yield( */
/* on: ex1_one_crossing_each */
	for (long i = 0; i < n; i++) {
		getppid();
		sched_yield();
	}
