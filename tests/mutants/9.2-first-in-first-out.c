/* caught by: expected worker 4 to be given all four */
/* on: ex2_the_last_to_sleep_wakes_first */
/* as solved */
/* ---- */
	line_up(&port->sleepers, w);
