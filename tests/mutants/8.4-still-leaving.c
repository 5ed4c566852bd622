/* caught by: expected "+PONG */
/* as solved */
/* ---- */
	if (result == -ECANCELED) {
		if (c->fd >= 0)
			start_close(c, c->slot);
		return;
	}
