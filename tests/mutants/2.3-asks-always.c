/* caught by: the server is looping */
	set(c->fd, &want_write, true);
