/* caught by: the one after them expected a line */
/* on: ex3_silent_clients_are_accepted */
	FIRST_BYTES = 1,
