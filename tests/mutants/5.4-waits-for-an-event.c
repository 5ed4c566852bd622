/* caught by: A expected "+PONG */
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
