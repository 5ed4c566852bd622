/* caught by: the server is looping */
/* on: ex3_sleeps_while_a_reply_waits */
	set(c->fd, &want_write, true);
