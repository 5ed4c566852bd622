/* caught by: expected */
/* on: ex7_a_quiet_send_that_falls_short */
	c->quiet = !rest && conn_wants_read(c);
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), c->quiet ? MSG_DONTWAIT : MSG_WAITALL);
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
