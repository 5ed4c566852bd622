/* caught by: one operation a request */
/* on: ex4_costs_what_epoll_costs */
	io_uring_prep_poll_multishot(sqe, fd, entries[fd].events);
