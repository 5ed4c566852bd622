/* caught by: but the loop also calls sched_yield( */
	for (long i = 0; i < n; i++) {
		getppid();
		sched_yield();
	}
