/* caught by: expected the send in flight to be cancelled */
/* on: ex6_closed_while_a_send_is_in_flight */
/* as solved */
/* ---- */
	if (c->receiving)
		cancel(c, RECEIVE);
