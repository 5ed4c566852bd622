/* caught by: the slow client expected */
/* as solved */
/* ---- */
	conn_sent(c, conn_unsent(c));
	if (c->fd < 0)
		return;
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		conn_close(c);
	else
		serve(c, conn_next(c));
