/* caught by: to go on with all of them */
/* as solved */
/* ---- */
	hand_out(port);
	w->next = port->sleepers;
	port->sleepers = w;
