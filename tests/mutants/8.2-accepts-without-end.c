/* caught by: the next one */
/* on: ex2_full_table */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe;

	accept_paused = false;
	sqe = next_sqe();
	if (direct)
		io_uring_prep_multishot_accept_direct(sqe, listen_fd, NULL, NULL, 0);
	else
		io_uring_prep_multishot_accept(sqe, listen_fd, NULL, NULL, SOCK_CLOEXEC);
	label(sqe, NULL, ACCEPT, 0);
}
