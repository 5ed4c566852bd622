/* caught by: B expected the end */
/* on: ex6_the_victim_sees_the_end */
/* as solved */
/* ---- */
	if (c->lent)
		cancel(c, SEND);
