/* caught by: A expected "+PONG */
/* on: ex1_submits_and_is_told */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	struct __kernel_timespec timeout = { .tv_nsec = timeout_ms * 1000000L };

	ring_check(io_uring_submit_and_wait_timeout(&ring, cqes, 8, timeout_ms < 0 ? NULL : &timeout, NULL));
	return io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
