/* caught by: the server waits in select */
	set(c->fd, &want_write, conn_unsent(c) > 0 && !FD_ISSET(c->fd, &want_write));
