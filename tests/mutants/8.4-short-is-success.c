/* caught by: but the end came after */
/* on: ex4_no_byte_is_lost */
	int flags = c->quiet ? MSG_WAITALL | MSG_DONTWAIT : 0;
