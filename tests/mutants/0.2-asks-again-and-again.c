/* caught by: a read that waits, not by asking again and again */
/* on: ex2_four_calls_a_round */
	/* Before it reads, the parent gives up the core, in case the partner is not done yet. */
	pid_t partner = fork();
	for (long i = 0; i < n && partner == 0; i++) {
		take(there, 1);
		give(back, 1);
	}
	if (partner == 0)
		_exit(EXIT_SUCCESS);
	for (long i = 0; i < n; i++) {
		give(there, 1);
		sched_yield();
		take(back, 1);
	}
	waitpid(partner, NULL, 0);
