/* caught by: connections that are closed are still held */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* its work is done, and still counts */
