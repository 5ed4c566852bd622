/* caught by: the server waits in epoll_wait */
/* on: ex1_is_told_again */
	struct epoll_event event = { .events = events | EPOLLET, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
/* ---- */
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
/* ---- */
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
