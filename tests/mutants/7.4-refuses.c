/* caught by: expected "+DONE\r\n", but "-ERR busy */
/* on: ex4_nothing_is_lost */
/* as solved */
/* ---- */
	conn_reply(c, "-ERR busy\r\n");
	c->silent = true;
	conn_worked(c);
