/* caught by: expected 17 system calls for 8 requests */
/* on: ex1_one_call_reports_them_all */
		struct timeval retry = { .tv_usec = ACCEPT_RETRY_MS * 1000 };
		fd_set readable = want_read, writable = want_write;
		int n = select(highest + 1, &readable, &writable, NULL, accept_paused ? &retry : NULL);
		if (n < 0 && errno != EINTR)
			die("cannot wait for events", "See select(2).");
		accept_paused = false;
		bool served = false;
		for (int fd = 0; n > 0 && !served && fd <= highest; fd++) {
			bool r = FD_ISSET(fd, &readable), w = FD_ISSET(fd, &writable);
			if ((r || w) && (conns[fd] || fd == listen_fd)) {
				on_event(conns[fd], r, w);
				served = true;
			}
		}
