/* caught by: but the connection was closed after */
/* on: ex4_gets_what_it_is_owed */
	if (c->fd >= 0)
		polled[c->slot].events = (conn_wants_read(c) ? POLLIN : 0) | (conn_unsent(c) > 0 ? POLLOUT : 0);
/* ---- */
	if (n > 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (n == 0 || errno != EAGAIN && errno != EINTR)
		conn_close(c);
