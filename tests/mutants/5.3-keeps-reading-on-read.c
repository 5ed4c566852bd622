/* caught by: 8 requests, but there were 16 */
/* on: ex3_one_read_for_a_short_request */
	if (n > 0 && (size_t)n < 2 && !c->told_end)
		c->readable = false;
/* ---- */
/* as solved */
