/* caught by: keeps its core */
/* on: ex2_two_switches_a_round */
	/* There are two processes, and one of them does everything. */
	pid_t partner = fork();
	for (long i = 0; i < n && partner == 0; i++) {
		give(there, 1);
		take(there, 1);
		give(back, 1);
		take(back, 1);
	}
	if (partner == 0)
		_exit(EXIT_SUCCESS);
	waitpid(partner, NULL, 0);
