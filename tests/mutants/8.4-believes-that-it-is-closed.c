/* caught by: expected "+PONG */
/* as solved */
/* ---- */
	(void)result;
