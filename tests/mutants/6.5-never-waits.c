/* caught by: server */
/* on: ex5_more_bytes_than_buffers */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		int timeout_ms = 0;
