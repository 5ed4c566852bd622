/* caught by: the server is looping */
	ssize_t n = dprintf(c->fd, "%.*s", (int)conn_unsent(c), conn_out(c));
