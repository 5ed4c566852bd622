/* caught by: cannot read from a client: Connection reset by peer */
/* as solved */
/* ---- */
	if (n < 0 && errno != EINTR)
		die("cannot read from a client", "Start the server again.");
	if (n < 0)
		return true;
