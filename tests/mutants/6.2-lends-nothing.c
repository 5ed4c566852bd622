/* caught by: expected */
	/* conn_out() and conn_unsent() were read when the send was prepared. */
