/* caught by: expected nothing for A before its work is done */
/* on: ex3_others_do_not_wait */
				conn_worked(c);
/* ---- */
		/* answered long ago */
