/* caught by: expected 6 workers to be blocked at the same time, but 2 were */
/* on: ex2_a_block_lets_the_next_in */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	pthread_mutex_lock(&port->lock);
	port->running--;
	me.running = false;
	pthread_mutex_unlock(&port->lock);
