/* caught by: expected "+PONG */
/* on: ex4_broken_by_a_reset */
/* as solved */
/* ---- */
	(void)result;
