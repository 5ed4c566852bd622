/* caught by: expected "+PONG */
/* on: ex4_broken_by_a_kill */
/* as solved */
/* ---- */
	if (result == -ECANCELED) {
		if (c->fd >= 0)
			start_close(c, c->slot);
		return;
	}
