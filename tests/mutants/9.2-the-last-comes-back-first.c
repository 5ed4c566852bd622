/* caught by: in the order B, A, D, C */
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
	while (!me.granted)
		pthread_cond_wait(&me.wake, &port->lock);
	pthread_mutex_unlock(&port->lock);
