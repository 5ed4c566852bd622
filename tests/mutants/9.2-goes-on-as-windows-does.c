/* caught by: who comes back waits for a slot */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	pthread_mutex_lock(&port->lock);
	port->running++;
	me.running = true;
	pthread_mutex_unlock(&port->lock);
