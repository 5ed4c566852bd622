/* caught by: the server is looping */
/* on: ex4_out_of_descriptors */
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			enum accept_verdict verdict = accept_failed(errno);
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
