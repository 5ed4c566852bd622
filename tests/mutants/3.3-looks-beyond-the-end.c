/* caught by: found none */
/* on: ex3_nobody_is_served_twice */
		for (nfds_t i = n > 0 ? count : 0; i-- > 0;) {
			short events = polled[i].revents;
			if (events == 0)
				continue;
			polled[i].revents = 0;
			on_event(conns[i], events != POLLOUT, events & POLLOUT);
		}
