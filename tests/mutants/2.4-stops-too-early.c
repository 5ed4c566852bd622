/* caught by: expected 1020 clients to be served */
/* on: ex4_refuses_what_no_set_can_hold */
	struct conn *c = fd < 1000 ? conn_new(fd) : NULL;
	if (!c) {
		/* FD_SET beyond FD_SETSIZE writes past the end of the set: undefined behaviour. */
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
