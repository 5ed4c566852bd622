/* caught by: but 8 replies cost */
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
