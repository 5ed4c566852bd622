/* caught by: expected */
/* as solved */
/* ---- */
			struct conn *c = events[i].data.ptr;
			if (c && c->fd >= 0 && (events[i].events & EPOLLRDHUP))
				serve(c, conn_feed(c, NULL, 0));
