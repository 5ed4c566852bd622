/* caught by: A expected "+PONG */
/* as solved */
/* ---- */
	io_uring_sqe_set_data64(sqe, (uintptr_t)c);
	io_uring_sqe_set_flags(sqe, flags);
	(void)operation;
