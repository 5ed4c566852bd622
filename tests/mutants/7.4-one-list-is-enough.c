/* caught by: C expected "+DONE */
/* on: ex4_from_the_ready_list */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* hand_over() has parked it */
