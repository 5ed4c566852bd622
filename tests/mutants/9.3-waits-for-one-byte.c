/* caught by: the one after them expected a line */
	FIRST_BYTES = 1,
