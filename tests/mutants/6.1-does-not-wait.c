/* caught by: server */
/* on: ex1_submits_and_is_told */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	(void)timeout_ms;
	ring_check(io_uring_submit_and_get_events(&ring));
	return io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
