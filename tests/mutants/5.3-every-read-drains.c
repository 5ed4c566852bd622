/* caught by: A expected */
	if (n > 0 && !c->told_end)
		c->readable = false;
/* ---- */
/* as solved */
