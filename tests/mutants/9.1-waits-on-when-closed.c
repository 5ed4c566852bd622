/* caught by: a worker does not return from port_wait */
/* as solved */
/* ---- */
	hand_out(port);
	while (!me.granted)
		pthread_cond_wait(&me.wake, &port->lock);
