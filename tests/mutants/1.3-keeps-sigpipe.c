/* caught by: the server died of SIGPIPE */
/* on: ex3_leaves_with_replies_owed */
	if (n < 0 && errno == EINTR)
		return true; /* the next verdict is to write again */
	if (n < 0)
		return false;
	conn_sent(c, (size_t)n);
	return true;
/* ---- */
/* as solved */
/* ---- */
	/* A failed write is treated where it fails. */
