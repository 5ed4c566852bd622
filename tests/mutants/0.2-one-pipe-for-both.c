/* caught by: keeps its core */
/* on: ex2_two_switches_a_round */
	/* The parent takes its own byte from the pipe before the partner can. */
	pid_t partner = fork();
	if (partner == 0) {
		sleep(60);
		_exit(EXIT_SUCCESS);
	}
	for (long i = 0; i < 2 * n; i++) {
		give(there, 1);
		take(there, 1);
	}
	kill(partner, SIGKILL);
	waitpid(partner, NULL, 0);
