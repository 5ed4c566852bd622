/* caught by: 20 operations for 20 requests */
/* on: ex4_one_operation_a_request */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->receiving = false;
