/* caught by: page fault */
/* on: ex3_a_cancelled_send_completes */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (c->fd >= 0 || c->receiving)
		return;
	free(c->pending);
	conn_retire(c);
