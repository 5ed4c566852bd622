/* caught by: the server is looping */
/* on: ex3_others_are_served_meanwhile */
	if (c->fd < 0 || events == c->events)
		return;
	c->events = events;
/* ---- */
		case CONN_WRITE:
			while (c->fd >= 0 && !on_writable(c))
				;
			if (c->fd < 0)
				return;
			break;
		case CONN_READ:
/* ---- */
	if (c && c->fd >= 0 && writable)
		serve(c, conn_next(c));
