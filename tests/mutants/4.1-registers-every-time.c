/* caught by: expected 9 calls with EPOLL_CTL_ADD */
/* on: ex1_registers_once */
	struct epoll_event event = { .events = events, .data.ptr = c };
	if (epoll_ctl(epoll_fd, how, c->fd, &event))
		conn_close(c);
/* ---- */
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See epoll_wait(2).");
/* ---- */
		/* As with a list that must be handed over anew: take it off, serve it, put it back. */
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c) {
				epoll_ctl(epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
				c->events = 0;
				watch(c, EPOLL_CTL_ADD);
			}
			on_event(c, events[i].events != EPOLLOUT, events[i].events & EPOLLOUT);
		}
