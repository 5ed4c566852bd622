/* caught by: were not linked to the send */
	last = false;
	int flags = MSG_WAITALL | (c->quiet ? MSG_DONTWAIT : 0);
