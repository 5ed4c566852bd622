/* caught by: expected */
/* on: ex2_requests_behind_a_stuck_reply */
	/* conn_out() and conn_unsent() were read when the send was prepared. */
