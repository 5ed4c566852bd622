/* caught by: the slow client */
/* on: ex4_no_byte_is_lost_before_the_end */
	int flags = MSG_WAITALL;
