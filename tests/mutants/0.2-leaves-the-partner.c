/* caught by: the partner's switches count once it was waited for */
/* on: ex2_two_switches_a_round */
	pid_t partner = fork();
	for (long i = 0; i < n && partner == 0; i++) {
		take(there, 1);
		give(back, 1);
	}
	if (partner == 0)
		_exit(EXIT_SUCCESS);
	for (long i = 0; i < n; i++) {
		give(there, 1);
		take(back, 1);
	}
