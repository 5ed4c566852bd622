/* caught by: A expected "$60000 */
	return serve(c, conn_feed(c, bytes, strnlen(bytes, (size_t)n)));
