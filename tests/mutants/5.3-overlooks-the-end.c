/* caught by: expected the end of the connection */
/* on: ex3_end_behind_a_short_read */
	if (n > 0 && (size_t)n < sizeof(bytes))
		c->readable = false;
/* ---- */
/* as solved */
