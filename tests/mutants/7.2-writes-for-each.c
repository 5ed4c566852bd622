/* caught by: expected one write of a worker for 8 results, but there were 8 */
/* on: ex2_a_burst_is_one_wake_up */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	bool first = true;
