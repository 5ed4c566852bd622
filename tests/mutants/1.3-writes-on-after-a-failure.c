/* caught by: the server is looping */
	if (n > 0)
		conn_sent(c, (size_t)n);
	return true;
