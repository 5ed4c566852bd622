/* caught by: for one PING, but */
/* on: ex7_one_crossing_for_a_batch */
	c->quiet = !rest && conn_wants_read(c);
	io_uring_prep_send(sqe, c->fd, conn_out(c), conn_unsent(c), MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0));
	label(sqe, c, SEND, c->quiet ? IOSQE_CQE_SKIP_SUCCESS : 0);
	if (c->quiet)
		list_add(&served, c);
	io_uring_submit(&ring);
