/* caught by: expected */
/* on: ex4_a_receive_that_was_ended_is_begun_again */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* A multishot receive goes on for good. */
