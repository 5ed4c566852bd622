/* caught by: found none */
/* on: ex3_nobody_is_served_twice */
		for (nfds_t i = n > 0 ? count : 0; i-- > 0;) {
			short events = i < count ? polled[i].revents : 0;
			if (events == 0)
				continue;
			on_event(conns[i], events != POLLOUT, events & POLLOUT);
			polled[i].revents = 0;
		}
