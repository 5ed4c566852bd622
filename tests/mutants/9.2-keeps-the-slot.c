/* caught by: expected 6 workers to be blocked at the same time, but 2 were */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	(void)port;
/* ---- */
	(void)port;
