/* caught by: nobody slept, and nobody was woken */
/* on: ex1_what_a_sleeping_worker_costs */
/* as solved */
/* ---- */
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue.first) {
			pthread_mutex_unlock(&lock);
			usleep(1000);
			pthread_mutex_lock(&lock);
		}
		struct job *job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		pthread_mutex_unlock(&lock);
		run(job);
	}
