/* caught by: reads of 2 hoses at the most before */
/* on: ex4_a_turn_for_everyone */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	for (int i = 0; i < 250 * READS_MAX && has_turn(c); i++)
		on_readable(c);
	if (has_turn(c) && !c->queued) {
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
