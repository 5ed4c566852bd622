/* caught by: expected */
/* on: ex7_trusted_with_its_memory */
	c->quiet = !rest && conn_wants_read(c);
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL);
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
