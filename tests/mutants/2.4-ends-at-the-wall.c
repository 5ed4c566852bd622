/* caught by: the server exited with status 1, saying "server: too many connections */
/* on: ex4_refuses_what_no_set_can_hold */
	struct conn *c = fd < FD_SETSIZE ? conn_new(fd) : NULL;
	if (!c) {
		/* FD_SET beyond FD_SETSIZE writes past the end of the set: undefined behaviour. */
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		errno = EMFILE;
		die("too many connections", "Start another server.");
	}
