/* caught by: expected the end of the connection */
	if (n > 0 && (size_t)n < sizeof(bytes))
		c->readable = false;
/* ---- */
/* as solved */
