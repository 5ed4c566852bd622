/* caught by: heap-use-after-free */
/* on: ex1_closed_while_its_work_is_out */
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
