/* caught by: page fault */
/* on: ex3_a_cancelled_receive_completes */
/* as solved */
/* ---- */
	free(c->pending);
	conn_retire(c);
/* ---- */
	(void)c;
