/* caught by: expected one worker to wake for one job */
/* on: ex1_one_job_wakes_one_worker */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	c->held++; /* if it is closed meanwhile, conn_reap() leaves it */
	pthread_mutex_lock(&lock);
	push(&queue, job);
	pthread_mutex_unlock(&lock);
	pthread_cond_broadcast(&work);
