/* caught by: B expected the end */
/* as solved */
/* ---- */
	if (c->lent)
		cancel(c, SEND);
