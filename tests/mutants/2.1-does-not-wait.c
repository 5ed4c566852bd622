/* caught by: the server is looping */
/* on: ex1_sleeps_until_asked */
		struct timeval retry = { 0 };
		fd_set readable = want_read, writable = want_write;
		int n = select(highest + 1, &readable, &writable, NULL, &retry);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See select(2).");
		accept_paused = false;
		for (int fd = 0; n > 0 && fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &readable), w = FD_ISSET(fd, &writable);
			if ((r || w) && (conns[fd] || fd == listen_fd)) /* else closed earlier in this batch */
				on_event(conns[fd], r, w);
		}
