/* caught by: B expected the end */
/* as solved */
/* ---- */
	if (c->receiving)
		cancel(c, IGNORED);
	if (c->lent)
		cancel(c, IGNORED);
