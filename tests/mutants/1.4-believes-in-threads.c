/* caught by: A expected the end of the connection */
/* on: ex4_a_thread_that_can_not_start */
	pthread_attr_t attr;
	pthread_t thread;

	pthread_mutex_lock(&lock);
	struct conn *c = threads < threads_max ? conn_new(fd) : NULL;
	threads += c != NULL;
	pthread_mutex_unlock(&lock);
	if (!c) {
		(void)!write(fd, REFUSAL, strlen(REFUSAL));
		close(fd);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_create(&thread, &attr, on_event, c);
	pthread_attr_destroy(&attr);
