/* caught by: the port is stuck until all completions are dealt with */
/* on: ex1_nothing_is_lost */
/* as solved */
/* ---- */
	while (!me.granted && !port->closed)
		pthread_cond_wait(&me.wake, &port->lock);
