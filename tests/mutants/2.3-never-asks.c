/* caught by: the server waits in select */
	set(c->fd, &want_write, false);
