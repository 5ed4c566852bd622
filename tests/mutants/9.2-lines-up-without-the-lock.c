/* caught by: port_unblock has returned while another thread held the port's lock */
/* on: ex2_slots_are_the_locks */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	line_up(&port->returning, &me);
	hand_out(port);
	sleep_until_woken();
