/* caught by: expected 2 system calls for 16 requests */
/* on: ex2_sixteen_requests */
	/* One packet, but as many crossings as before, and two more: 3 is TCP_CORK, 6 IPPROTO_TCP. */
	int on = 1, off = 0;
	setsockopt(c->fd, 6, 3, &on, sizeof(on));
	const char *end = memchr(conn_out(c), '\n', conn_unsent(c));
	ssize_t n = write(c->fd, conn_out(c), end ? (size_t)(end + 1 - conn_out(c)) : conn_unsent(c));
	setsockopt(c->fd, 6, 3, &off, sizeof(off));
