/* caught by: the server never came to rest */
/* on: ex4_the_rest_has_its_turn */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		int timeout = 0;
/* ---- */
/* as solved */
