/* caught by: expected */
/* on: ex3_end_behind_a_short_read */
/* as solved */
/* ---- */
			struct conn *c = events[i].data.ptr;
			if (c && c->fd >= 0 && (events[i].events & EPOLLRDHUP))
				serve(c, conn_feed(c, NULL, 0));
