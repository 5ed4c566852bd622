/* caught by: the one that waits expected "+PONG */
/* on: ex5_recovers_though_nobody_leaves */
/* Out of descriptors: accept would fail again at once. Sleep until a connection is closed, but not for long. */
static void wait_for_room(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ACCEPT_RETRY_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&lock);
	pthread_cond_wait(&one_left, &lock);
	pthread_mutex_unlock(&lock);
}

