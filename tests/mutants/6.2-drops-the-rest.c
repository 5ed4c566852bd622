/* caught by: the slow client expected */
/* on: ex2_a_reply_larger_than_the_socket */
/* as solved */
/* ---- */
	conn_sent(c, conn_unsent(c));
	if (c->fd < 0)
		return;
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		conn_close(c);
	else
		serve(c, conn_next(c));
