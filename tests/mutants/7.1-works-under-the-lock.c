/* caught by: workers in the middle of their work, but there are 1 */
/* on: ex1_four_workers_work_at_once */
/* as solved */
/* ---- */
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue.first)
			pthread_cond_wait(&work, &lock);
		struct job *job = queue.first;
		queue.first = job->next;
		if (!queue.first)
			queue.end = &queue.first;
		uint64_t begun = clock_ns(CLOCK_MONOTONIC);
		do_work(job);
		pthread_mutex_unlock(&lock);
		hand_back(job, clock_ns(CLOCK_MONOTONIC) - begun);
	}
