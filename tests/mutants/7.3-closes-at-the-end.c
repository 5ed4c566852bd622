/* caught by: A expected "+DONE */
/* on: ex3_the_end_waits_for_the_reply */
/* as solved */
/* ---- */
		if (c->ended) {
			conn_close(c);
			continue;
		}
		conn_worked(c);
