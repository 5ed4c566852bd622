/* caught by: to go on with all of them */
/* on: ex2_who_asks_goes_on */
/* as solved */
/* ---- */
	hand_out(port);
	w->next = port->sleepers;
	port->sleepers = w;
