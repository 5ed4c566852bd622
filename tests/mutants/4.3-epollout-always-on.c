/* caught by: the server is looping */
/* on: ex3_others_are_served_meanwhile */
	events |= EPOLLOUT;
	if (c->fd < 0 || events == c->events)
		return;
	c->events = events;
/* ---- */
		case CONN_WRITE:
			if (on_writable(c))
				break;
			/* fall through */
		case CONN_READ:
/* ---- */
	if (c && c->fd >= 0 && writable)
		serve(c, conn_next(c));
