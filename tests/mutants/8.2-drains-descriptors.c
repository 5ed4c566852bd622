/* caught by: a slot is no number that shutdown(2) knows */
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
