/* caught by: A expected */
/* on: ex3_full_reads_prove_nothing */
	if (n > 0 && !c->told_end)
		c->readable = false;
/* ---- */
/* as solved */
