/* caught by: cannot wait for events: Interrupted system call */
/* on: ex1_ends_when_told */
		struct timeval retry = { .tv_usec = ACCEPT_RETRY_MS * 1000 };
		fd_set readable = want_read, writable = want_write;
		int n = select(highest + 1, &readable, &writable, NULL, accept_paused ? &retry : NULL);
		if (n < 0)
			die("cannot wait for events", "See select(2).");
		accept_paused = false;
		for (int fd = 0; n > 0 && fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &readable), w = FD_ISSET(fd, &writable);
			if ((r || w) && (conns[fd] || fd == listen_fd)) /* else closed earlier in this batch */
				on_event(conns[fd], r, w);
		}
