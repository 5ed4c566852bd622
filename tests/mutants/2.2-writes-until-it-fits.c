/* caught by: the server is looping */
/* on: ex2_others_are_served_meanwhile */
	if (n >= 0)
		conn_sent(c, (size_t)n);
	else if (errno != EAGAIN)
		conn_close(c);
	return c->fd >= 0; /* the next verdict is to write again, at once */
/* ---- */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
