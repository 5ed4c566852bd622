/* caught by: the server is looping */
/* on: ex2_bytes_of_any_value */
	ssize_t n = dprintf(c->fd, "%.*s", (int)conn_unsent(c), conn_out(c));
