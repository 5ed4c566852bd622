/* caught by: A expected "+PONG */
/* on: ex4_the_rest_has_its_turn */
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
