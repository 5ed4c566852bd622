/* caught by: expected a bound on the accepts in a row */
/* on: ex4_the_others_have_a_turn */
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			enum accept_verdict verdict = accept_failed(errno);
			if (verdict == ACCEPT_FULL)
				watch_listener(EPOLL_CTL_MOD, true);
			if (verdict == ACCEPT_NEXT)
				continue;
			return;
		}
		struct conn *c = conn_new(fd);
		if (c)
			watch(c, EPOLL_CTL_ADD);
		else
			close(fd);
	}
