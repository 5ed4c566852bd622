/* caught by: null pointer of type 'struct job' */
/* on: ex1_no_work_is_lost */
/* as solved */
/* ---- */
	for (;;) {
		pthread_mutex_lock(&lock);
		if (!queue.first)
			pthread_cond_wait(&work, &lock);
		struct job *job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&lock);
		run(job);
	}
