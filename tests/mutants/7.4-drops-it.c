/* caught by: expected "+DONE */
/* on: ex4_nothing_is_lost */
/* as solved */
/* ---- */
	c->parked = true;
/* ---- */
/* as solved */
/* ---- */
	/* parked is parked */
