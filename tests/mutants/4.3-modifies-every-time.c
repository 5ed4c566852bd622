/* caught by: but 8 replies cost */
/* on: ex3_no_call_for_a_reply_that_fits */
	if (c->fd < 0)
		return;
/* ---- */
		case CONN_WRITE:
			if (on_writable(c))
				break;
			/* fall through */
		case CONN_READ:
/* ---- */
	if (c && c->fd >= 0 && writable)
		serve(c, conn_next(c));
