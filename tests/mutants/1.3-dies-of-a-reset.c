/* caught by: cannot read from a client: Connection reset by peer */
/* on: ex3_a_reset_ends_one_connection */
/* as solved */
/* ---- */
	if (n < 0 && errno != EINTR)
		die("cannot read from a client", "Start the server again.");
	if (n < 0)
		return true;
