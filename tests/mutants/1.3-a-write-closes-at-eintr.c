/* caught by: A expected "+PONG\r\n", but the server closed the connection */
/* on: ex3_a_write_is_interrupted */
	if (n < 0)
		return false;
	conn_sent(c, (size_t)n);
	return true;
