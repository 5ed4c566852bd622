/* caught by: expected a write for each read */
/* on: ex2_as_many_writes_as_reads */
	size_t size = conn_unsent(c) < 4096 ? conn_unsent(c) : 4096;
	ssize_t n = write(c->fd, conn_out(c), size);
