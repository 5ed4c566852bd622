/* caught by: expected silence */
/* on: ex4_broken_by_a_reset */
/* as solved */
/* ---- */
	if (result == -ECANCELED) {
		slots++;
		c->leaving = false;
		if (c->fd < 0)
			start_close(c, c->slot);
		return;
	}
