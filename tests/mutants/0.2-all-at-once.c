/* caught by: each byte must be waited for */
/* on: ex2_two_switches_a_round */
	/* The parent gives three bytes before it waits: amortized, and no ping-pong any more. */
	pid_t partner = fork();
	for (long i = 0; i < n && partner == 0; i++) {
		take(there, 1);
		give(back, 1);
	}
	if (partner == 0)
		_exit(EXIT_SUCCESS);
	for (long i = 0; i < n; i += 3) {
		for (long j = 0; j < 3 && i + j < n; j++)
			give(there, 1);
		for (long j = 0; j < 3 && i + j < n; j++)
			take(back, 1);
	}
	waitpid(partner, NULL, 0);
