/* caught by: after EAGAIN nothing is left to accept */
/* on: ex4_few_waits_for_a_burst */
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			enum accept_verdict verdict = accept_failed(errno);
			if (verdict == ACCEPT_FULL)
				watch_listener(EPOLL_CTL_MOD, true);
			if (stopping)
				return;
			continue;
		}
		struct conn *c = conn_new(fd);
		if (c)
			watch(c, EPOLL_CTL_ADD);
		else
			close(fd);
	}
