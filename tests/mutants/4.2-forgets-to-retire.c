/* caught by: the server took it for B */
/* on: ex2_newcomer_on_the_same_descriptor */
	/* The descriptor is closed, but c still names it; so may the next connection. */
/* ---- */
/* ---- */
		conn_reap();
