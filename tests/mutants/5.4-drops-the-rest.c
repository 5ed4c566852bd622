/* caught by: A expected "+PONG */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	for (int i = 0; i < READS_MAX && has_turn(c); i++)
		on_readable(c);
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
