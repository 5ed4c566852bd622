/* caught by: server */
/* on: ex7_a_quiet_send_that_falls_short */
	(void)rest;
	c->quiet = conn_wants_read(c);
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0));
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
