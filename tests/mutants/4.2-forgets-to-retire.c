/* caught by: the server took it for B */
	/* The descriptor is closed, but c still names it; so may the next connection. */
/* ---- */
/* ---- */
		conn_reap();
