/* caught by: a poll that is submitted before the server has read completes at once */
/* on: ex4_costs_what_epoll_costs */
/* as solved */
/* ---- */
	if (more)
		disarm(fd);
	entries[fd].armed = false;
	arm(fd);
	io_uring_submit(&ring);
