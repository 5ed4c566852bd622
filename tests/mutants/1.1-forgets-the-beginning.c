/* caught by: A expected "+PONG */
/* on: ex1_a_request_in_two_pieces */
	enum verdict verdict = conn_feed(c, bytes, (size_t)n);
	if (verdict == CONN_READ)
		c->in = (struct buf){ 0 }; /* no request: wait for a better one */
	return serve(c, verdict);
