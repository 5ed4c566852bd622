/* caught by: threads wait in read */
/* on: ex2_two_switches_a_round */
	pid_t partner = fork();
	for (long i = 0; i < n && partner == 0; i++) {
		take(there, 1);
		give(back, 1);
	}
	if (partner == 0)
		_exit(EXIT_SUCCESS);
	for (long i = 0; i < n; i++) {
		take(back, 1);
		give(there, 1);
	}
	waitpid(partner, NULL, 0);
