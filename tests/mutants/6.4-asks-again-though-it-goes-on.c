/* caught by: 20 operations for 20 requests */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->receiving = false;
