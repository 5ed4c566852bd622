/* caught by:  but  */
/* as solved */
/* ---- */
			struct conn *c = events[i].data.ptr;
			if (c && c->fd >= 0 && (events[i].events & EPOLLRDHUP)) {
				conn_close(c);
				continue;
			}
