/* caught by: the holder expected */
/* on: ex4_tells_until_all_is_read */
/* as solved */
/* ---- */
	(void)more;
	entries[fd].armed = false;
