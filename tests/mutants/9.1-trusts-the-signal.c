/* caught by: the port is stuck */
/* on: ex1_nothing_is_lost */
/* as solved */
/* ---- */
	hand_out(port);
	pthread_cond_wait(&me.wake, &port->lock);
