/* caught by: closed connections are never freed */
	conn_retire(c);
/* ---- */
/* ---- */
		/* no conn_reap() */
