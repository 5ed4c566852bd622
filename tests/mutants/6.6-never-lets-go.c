/* caught by: connections that are closed are still held */
/* on: ex6_nobody_is_held_for_ever */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* the send has ended, and still counts */
