/* caught by: the server is looping */
/* on: ex4_a_turn_for_everyone */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	for (int i = 0; i < READS_MAX && has_turn(c); i++)
		on_readable(c);
	if (has_turn(c)) {
		c->queued = true;
		c->link = ready;
		ready = c;
	}
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
