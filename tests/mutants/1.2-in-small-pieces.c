/* caught by: expected 2 system calls for 16 requests */
/* on: ex2_sixteen_requests */
	size_t size = conn_unsent(c) < 64 ? conn_unsent(c) : 64;
	ssize_t n = write(c->fd, conn_out(c), size);
