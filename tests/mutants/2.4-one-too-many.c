/* caught by: out of bounds */
/* on: ex4_a_refusal_leaves_nothing_behind */
	struct conn *c = fd <= FD_SETSIZE ? conn_new(fd) : NULL;
	if (!c) {
		/* FD_SET beyond FD_SETSIZE writes past the end of the set: undefined behaviour. */
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
