/* caught by: 64 connections, but */
/* on: ex4_one_accept_for_a_burst */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	label(sqe, NULL, ACCEPT, 0);
	accept_paused = false;
}
