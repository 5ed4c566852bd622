/* caught by: the next one */
/* on: ex2_full_table */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
static void watch_listener(void)
{
	struct io_uring_sqe *sqe;

	accept_paused = slots < 0;
	if (accept_paused)
		return;
	sqe = next_sqe();
	io_uring_prep_accept(sqe, listen_fd, NULL, NULL, direct ? 0 : SOCK_CLOEXEC);
	if (direct)
		sqe->file_index = IORING_FILE_INDEX_ALLOC;
	label(sqe, NULL, ACCEPT, 0);
}
