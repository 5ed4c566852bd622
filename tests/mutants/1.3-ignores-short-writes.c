/* caught by: the slow client expected */
/* on: ex3_a_write_is_cut_short */
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0)
		return false;
	conn_sent(c, conn_unsent(c)); /* as if n were all of it */
	return true;
