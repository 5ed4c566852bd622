/* caught by: expected the end */
/* on: ex7_the_last_send_is_heard_of */
	c->quiet = !rest;
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0));
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
