/* caught by: page fault */
/* as solved */
/* ---- */
	free(c->pending);
	conn_retire(c);
/* ---- */
	(void)c;
