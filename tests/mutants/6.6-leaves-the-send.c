/* caught by: expected the send in flight to be cancelled */
/* as solved */
/* ---- */
	if (c->receiving)
		cancel(c, RECEIVE);
