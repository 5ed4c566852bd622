/* caught by: a slot is no number that shutdown(2) knows */
/* on: ex2_stops */
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
		shutdown(c->fd, SHUT_RD);
