/* caught by: it leaks them */
/* on: ex3_leaves_with_replies_owed */
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0) {
		pause(); /* its peer may come back */
		return false;
	}
	conn_sent(c, (size_t)n);
	return true;
