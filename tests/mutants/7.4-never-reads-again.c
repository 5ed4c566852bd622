/* caught by: expected "+PONG */
/* on: ex4_stop_while_the_pool_is_full */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (c->parked)
		return false;
