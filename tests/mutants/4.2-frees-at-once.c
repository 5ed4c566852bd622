/* caught by: heap-use-after-free in on_event */
	conn_free(c);
/* ---- */
/* ---- */
		conn_reap();
