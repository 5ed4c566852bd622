/* caught by: expected */
/* on: ex4_an_accept_that_has_ended_is_begun_again */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	(void)more;
