/* caught by: the server is looping */
/* on: ex3_two_calls_for_a_reply_that_is_stuck */
	if (c->fd < 0 || (events & ~c->events) == 0)
		return;
	events |= c->events;
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
