/* caught by: null */
/* on: ex1_a_full_queue */
	return io_uring_get_sqe(&ring);
