/* caught by: the slow client expected */
/* on: ex2_a_reply_larger_than_the_socket */
/* as solved */
/* ---- */
	if (result >= 0 && (size_t)result < conn_unsent(c) && c->fd >= 0) {
		start_send(c, true);
		return;
	}
	conn_sent(c, result > 0 ? (size_t)result : 0);
	if (c->fd < 0)
		return;
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		conn_close(c);
	else if (conn_unsent(c) > 0)
		start_send(c, true);
	else
		serve(c, conn_next(c));
