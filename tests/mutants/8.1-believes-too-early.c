/* caught by: expected "$1500 */
/* on: ex1_sent_when_taken_up */
static unsigned look(struct io_uring_cqe **cqes, long us)
{
	ring_check(io_uring_submit(&ring));
	for (; us > 0; us--) {
		unsigned n = io_uring_peek_batch_cqe(&ring, cqes, TURN_MAX);
		if (n > 0)
			return n;
		burn_us(1);
	}
	return 0;
}
