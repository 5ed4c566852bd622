/* caught by: expected worker 4 to be given all four */
	line_up(&port->sleepers, w);
