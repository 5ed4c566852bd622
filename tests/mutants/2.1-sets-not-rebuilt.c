/* caught by: the server waits in select */
/* on: ex1_one_silent_client_stops_nobody */
		struct timeval retry = { .tv_usec = ACCEPT_RETRY_MS * 1000 };
		/* The answer is written over the question: who was not ready is not asked about again. */
		int n = select(highest + 1, &want_read, &want_write, NULL, accept_paused ? &retry : NULL);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See select(2).");
		accept_paused = false;
		for (int fd = 0; n > 0 && fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &want_read), w = FD_ISSET(fd, &want_write);
			if ((r || w) && (conns[fd] || fd == listen_fd)) /* else closed earlier in this batch */
				on_event(conns[fd], r, w);
		}
