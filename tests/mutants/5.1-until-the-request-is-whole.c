/* caught by: A expected "+PONG */
/* on: ex1_request_behind_a_full_read */
	/* Bytes of a request that is not whole are kept in c->in. But another request may lie behind a whole one. */
	c->readable = n > 0 && c->in.data;
