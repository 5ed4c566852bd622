/* caught by: expected fewer than 50 system calls */
/* on: ex1_no_call_while_requests_come */
static unsigned look(struct io_uring_cqe **cqes, long us)
{
	for (; us > 0; us--) {
		unsigned n = io_uring_sq_ready(&ring) > 0 ? 0 : io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
		if (n > 0)
			return n;
		burn_us(1);
	}
	return 0;
}
