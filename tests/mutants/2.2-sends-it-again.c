/* caught by: on they differ */
/* on: ex2_others_are_served_meanwhile */
	if (n >= 0 && (size_t)n == conn_unsent(c))
		conn_sent(c, (size_t)n);
	else if (n < 0 && errno != EAGAIN)
		conn_close(c);
	return n >= 0 && conn_unsent(c) == 0;
/* ---- */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
