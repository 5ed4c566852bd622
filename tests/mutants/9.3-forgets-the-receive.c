/* caught by: page fault */
/* on: ex3_a_send_completes_before_the_receive */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (c->fd >= 0 || c->lent)
		return;
	free(c->pending);
	conn_retire(c);
