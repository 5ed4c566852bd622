/* caught by: the server waits in epoll_wait */
/* on: ex3_two_calls_for_a_reply_that_is_stuck */
	if (c->fd < 0 || events == c->events)
		return;
	c->events = events;
/* ---- */
		case CONN_WRITE:
			if (!on_writable(c) && c->fd < 0)
				return;
			conn_sent(c, conn_unsent(c));
			break;
		case CONN_READ:
/* ---- */
	if (c && c->fd >= 0 && writable)
		serve(c, conn_next(c));
