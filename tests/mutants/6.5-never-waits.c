/* caught by: server */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		int timeout_ms = 0;
