/* caught by: expected "+PONG */
/* as solved */
/* ---- */
	if (result == -ECANCELED)
		return;
