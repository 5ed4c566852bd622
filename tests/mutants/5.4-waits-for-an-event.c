/* caught by: A expected "+PONG */
/* on: ex4_the_rest_has_its_turn */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		int timeout = accept_paused ? ACCEPT_RETRY_MS : -1;
/* ---- */
/* as solved */
