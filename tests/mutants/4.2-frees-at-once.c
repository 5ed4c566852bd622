/* caught by: heap-use-after-free in on_event */
/* on: ex2_stale_event */
	conn_free(c);
/* ---- */
/* ---- */
		conn_reap();
