/* caught by: B expected "+PONG */
/* on: ex4_ping_while_the_pool_is_full */
/* as solved */
/* ---- */
	while (!pool_submit(c))
		usleep(1000);
