/* caught by: the stack of a thread is kept until it is joined */
/* on: ex4_a_thread_leaves_nothing */
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
	if (pthread_create(&thread, &attr, on_event, c))
		conn_close(c);
	pthread_attr_destroy(&attr);
