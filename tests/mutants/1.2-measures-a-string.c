/* caught by: the server is looping */
/* on: ex2_bytes_of_any_value */
	ssize_t n = write(c->fd, conn_out(c), strlen(conn_out(c)));
