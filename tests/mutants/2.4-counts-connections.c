/* caught by: out of bounds */
/* on: ex4_refuses_what_no_set_can_hold */
	/* The wall is a number of a descriptor, not a number of connections. */
	int connections = 0;
	for (struct conn *other = conn_first(); other; other = conn_after(other))
		connections++;
	struct conn *c = connections < FD_SETSIZE ? conn_new(fd) : NULL;
	if (!c) {
		/* FD_SET beyond FD_SETSIZE writes past the end of the set: undefined behaviour. */
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
