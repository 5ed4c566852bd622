/* caught by: A expected "+PONG */
/* on: ex1_submits_and_is_told */
/* as solved */
/* ---- */
	io_uring_sqe_set_data64(sqe, (uintptr_t)c | operation);
	(void)flags;
