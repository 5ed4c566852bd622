/* caught by: the server is looping */
/* on: ex1_serves_and_sleeps */
	struct epoll_event event = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
/* ---- */
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 0);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
/* ---- */
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
