/* caught by: the server is looping */
/* on: ex1_an_end_in_the_middle */
	return n == 0 || serve(c, conn_feed(c, bytes, (size_t)n)); /* nothing came: read again */
