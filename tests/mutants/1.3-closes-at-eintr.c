/* caught by: A expected "+PONG */
/* on: ex3_a_read_is_interrupted */
/* as solved */
/* ---- */
	if (n < 0)
		return false;
