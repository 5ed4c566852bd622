/* caught by: the server */
/* on: ex1_no_work_is_lost */
/* as solved */
/* ---- */
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue.first) {
			pthread_mutex_unlock(&lock);
			pthread_mutex_lock(&lock);
		}
		struct job *job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&lock);
		run(job);
	}
