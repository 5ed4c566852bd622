/* caught by: A expected "$60000 */
/* on: ex1_more_than_one_read_takes */
	return serve(c, conn_feed(c, bytes, strnlen(bytes, (size_t)n)));
