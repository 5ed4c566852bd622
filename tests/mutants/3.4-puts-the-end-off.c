/* caught by: the server is looping */
/* on: ex4_sleeps_meanwhile */
	if (c->fd >= 0)
		polled[c->slot].events = (conn_wants_read(c) ? POLLIN : 0) | (conn_unsent(c) > 0 ? POLLOUT : 0);
/* ---- */
	if (n == 0 && conn_unsent(c) > 0)
		return; /* its reply first */
	if (n >= 0)
		serve(c, conn_feed(c, bytes, (size_t)n));
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(c);
