/* caught by: heap-use-after-free in on_event */
	conn_retire(c);
/* ---- */
	if (!c || c->fd >= 0)
		conn_reap();
/* ---- */
		conn_reap();
