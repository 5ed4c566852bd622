/* caught by: expected 6 workers to be blocked at the same time, but 2 were */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	pthread_mutex_lock(&port->lock);
	port->running--;
	me.running = false;
	pthread_mutex_unlock(&port->lock);
