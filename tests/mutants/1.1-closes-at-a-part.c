/* caught by: the server closed the connection */
/* on: ex1_a_request_in_two_pieces */
	enum verdict verdict = conn_feed(c, bytes, (size_t)n);
	return verdict != CONN_READ && serve(c, verdict);
