/* caught by: the server waits in select */
/* on: ex3_sleeps_while_a_reply_waits */
	set(c->fd, &want_write, false);
