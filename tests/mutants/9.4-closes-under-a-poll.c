/* caught by: B expected the end of the connection */
/* on: ex4_closed_is_closed */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (fd >= 0 && fd < size)
		entries[fd].listed = entries[fd].armed = false;
