/* caught by: but the end came after */
	int flags = c->quiet ? MSG_WAITALL | MSG_DONTWAIT : 0;
