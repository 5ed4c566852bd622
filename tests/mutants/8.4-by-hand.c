/* caught by: were not linked to the send */
/* on: ex4_goes_on_without_the_server */
	last = false;
	int flags = MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0);
