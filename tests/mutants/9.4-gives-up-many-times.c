/* caught by: one operation a request */
	io_uring_prep_poll_multishot(sqe, fd, entries[fd].events);
