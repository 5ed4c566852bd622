/* caught by: the server never came to rest */
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
