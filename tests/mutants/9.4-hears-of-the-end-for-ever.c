/* caught by: the server never came to rest */
/* on: ex4_a_half_closed_client_is_quiet */
	io_uring_prep_poll_add(sqe, fd, entries[fd].events);
