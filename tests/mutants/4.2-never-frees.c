/* caught by: closed connections are never freed */
/* on: ex2_memory_comes_back */
	conn_retire(c);
/* ---- */
/* ---- */
		/* no conn_reap() */
