/* caught by: the port is stuck until all completions are dealt with */
/* on: ex1_nothing_is_lost */
/* as solved */
/* ---- */
	/* collect() and port_post() hand out */
