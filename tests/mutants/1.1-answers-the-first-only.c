/* caught by: A expected "+PONG\r\n$3\r\none\r\n$3\r\ntwo\r\n", but after 7 */
/* on: ex1_several_requests_in_one_piece */
	const char *end = memchr(bytes, '\n', (size_t)n);
	return serve(c, conn_feed(c, bytes, end && bytes[0] != '*' ? (size_t)(end + 1 - bytes) : (size_t)n));
