/* caught by: heap-use-after-free in on_event */
/* on: ex2_newcomer_on_the_same_descriptor */
	conn_retire(c);
/* ---- */
	if (!c || c->fd >= 0)
		conn_reap();
/* ---- */
		conn_reap();
