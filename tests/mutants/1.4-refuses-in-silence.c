/* caught by: D expected a line, but the server closed */
/* on: ex4_refuses_at_the_bound */
	pthread_attr_t attr;
	pthread_t thread;

	pthread_mutex_lock(&lock);
	struct conn *c = threads < threads_max ? conn_new(fd) : NULL;
	threads += c != NULL;
	pthread_mutex_unlock(&lock);
	if (!c) {
		close(fd);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, on_event, c))
		conn_close(c);
	pthread_attr_destroy(&attr);
