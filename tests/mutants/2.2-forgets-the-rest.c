/* caught by: the server waits in select */
/* on: ex2_others_are_served_meanwhile */
	if (n >= 0)
		conn_sent(c, conn_unsent(c)); /* as if n were all of it */
	else if (errno != EAGAIN)
		conn_close(c);
	return n >= 0 && conn_unsent(c) == 0;
/* ---- */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
