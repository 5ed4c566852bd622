/* caught by: ask once for all connections to come */
/* on: ex4_one_accept_for_a_burst */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	(void)more;
	if (!accept_paused)
		watch_listener();
