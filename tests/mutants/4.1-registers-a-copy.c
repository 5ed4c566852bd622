/* caught by: expected the end of the connection */
/* on: ex1_closing_is_enough */
	/* close(c->fd) closes one of two descriptors: the socket stays open, and on the list. */
	struct epoll_event event = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, how == EPOLL_CTL_ADD ? dup(c->fd) : c->fd, &event))
		conn_close(c);
/* ---- */
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
/* ---- */
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
