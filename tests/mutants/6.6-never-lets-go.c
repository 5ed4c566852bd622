/* caught by: connections that are closed are still held */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* the send has ended, and still counts */
