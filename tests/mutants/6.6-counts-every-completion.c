/* caught by: heap-use-after-free */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->held--;
