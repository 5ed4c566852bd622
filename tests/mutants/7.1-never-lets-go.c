/* caught by: connections that are closed are still held */
/* on: ex1_nobody_is_held_for_ever */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* its work is done, and still counts */
