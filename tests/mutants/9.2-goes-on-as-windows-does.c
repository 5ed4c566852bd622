/* caught by: who comes back waits for a slot */
/* on: ex2_a_block_lets_the_next_in */
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
