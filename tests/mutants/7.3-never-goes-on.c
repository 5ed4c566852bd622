/* caught by: A expected "+DONE\r\n+PONG */
/* on: ex3_replies_keep_their_order */
/* as solved */
/* ---- */
		conn_reply(c, "+DONE\r\n");
