/* caught by: expected worker 4 to be given all four */
/* as solved */
/* ---- */
	line_up(&port->sleepers, w);
