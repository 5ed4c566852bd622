/* caught by: the most that one returned was 1 */
/* on: ex1_one_wait_for_all_that_are_ready */
	struct epoll_event event = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
/* ---- */
		int n = epoll_wait(epoll_fd, events, 1, accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
/* ---- */
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
