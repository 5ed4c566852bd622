/* caught by: the server */
/* on: ex2_nobody_looks_in_vain */
/* as solved */
/* ---- */
	/* it is only a number */
