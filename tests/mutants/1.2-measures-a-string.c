/* caught by: the server is looping */
	ssize_t n = write(c->fd, conn_out(c), strlen(conn_out(c)));
