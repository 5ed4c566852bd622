/* caught by: expected one read of C */
/* on: ex4_not_read_while_it_waits_for_room */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* the kit has room for it */
