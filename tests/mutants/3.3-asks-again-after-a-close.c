/* caught by: expected 1 poll, but there were 8 */
/* on: ex3_nobody_is_skipped */
		nfds_t before = count;
		for (nfds_t i = n > 0 ? count : 0; i-- > 0 && count >= before;) {
			short events = i < count ? polled[i].revents : 0;
			if (events == 0)
				continue;
			polled[i].revents = 0;
			on_event(conns[i], events != POLLOUT, events & POLLOUT);
		}
