/* caught by: expected */
	conn_lend(c);
	io_uring_submit(&ring);
	conn_sent(c, conn_unsent(c));
