/* caught by: the server is looping */
	return n == 0 || serve(c, conn_feed(c, bytes, (size_t)n)); /* nothing came: read again */
