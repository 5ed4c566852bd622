/* caught by: the server closed the connection */
	enum verdict verdict = conn_feed(c, bytes, (size_t)n);
	return verdict != CONN_READ && serve(c, verdict);
