/* caught by: workers in the middle of their work, but there are */
/* on: ex1_four_workers_work_at_once */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->held++; /* if it is closed meanwhile, conn_reap() leaves it */
	pthread_mutex_lock(&lock);
	bool empty = !queue.first;
	push(&queue, job);
	pthread_mutex_unlock(&lock);
	if (empty)
		pthread_cond_signal(&work);
