/* caught by: expected */
/* on: ex2_a_reply_larger_than_the_socket */
	conn_lend(c);
	io_uring_submit(&ring);
	conn_sent(c, conn_unsent(c));
