/* caught by: A expected "+DONE */
/* on: ex1_ping_beside_waiting_work */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->held++;
	pthread_mutex_lock(&lock);
	push(&queue, job);
	pthread_mutex_unlock(&lock);
