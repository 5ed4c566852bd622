/* caught by: heap-use-after-free */
/* on: ex6_the_victim_sees_the_end */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->held--;
