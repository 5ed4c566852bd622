/* caught by: in the order B, A, D, C */
/* on: ex2_back_first_in_line */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	pthread_mutex_lock(&port->lock);
	me.next = port->returning;
	port->returning = &me;
	hand_out(port);
	pthread_mutex_unlock(&port->lock);
	sleep_until_woken();
