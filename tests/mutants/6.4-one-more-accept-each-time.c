/* caught by: ask once for all connections to come */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	(void)more;
	if (!accept_paused)
		watch_listener();
