/* caught by: the server is looping */
/* on: ex3_leaves_with_replies_owed */
	if (n > 0)
		conn_sent(c, (size_t)n);
	return true;
