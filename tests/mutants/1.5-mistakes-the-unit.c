/* caught by: expected 60 system calls at the most */
/* on: ex5_few_calls_while_full */
/* Out of descriptors: accept would fail again at once. Sleep until a connection is closed, but not for long. */
static void wait_for_room(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ACCEPT_RETRY_MS * 1000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&lock);
	pthread_cond_timedwait(&one_left, &lock, &until);
	pthread_mutex_unlock(&lock);
}

