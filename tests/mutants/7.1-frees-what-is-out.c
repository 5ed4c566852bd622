/* caught by: heap-use-after-free */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	pthread_mutex_lock(&lock);
	push(&queue, job);
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&work);
/* ---- */
	/* the queue has it, and nobody else */
