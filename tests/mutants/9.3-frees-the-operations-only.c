/* caught by: page fault */
/* on: ex3_a_cancelled_receive_completes */
/* as solved */
/* ---- */
	c->fd = -1;
	free(c->pending);
	c->pending = NULL;
/* ---- */
	if (c->fd >= 0 || c->receiving || c->lent)
		return;
	conn_retire(c);
