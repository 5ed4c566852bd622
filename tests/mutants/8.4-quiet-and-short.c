/* caught by: the slow client */
/* on: ex4_no_byte_is_lost_before_the_end */
	int flags = last ? MSG_WAITALL : c->quiet ? MSG_DONTWAIT : 0;
