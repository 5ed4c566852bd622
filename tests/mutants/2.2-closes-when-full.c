/* caught by: of 1048588 bytes the server closed the connection */
/* on: ex2_others_are_served_meanwhile */
	if (n >= 0)
		conn_sent(c, (size_t)n);
	else
		conn_close(c);
	return n >= 0;
/* ---- */
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
