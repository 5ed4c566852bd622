/* caught by: expected the end of the connection */
/* on: ex1_end_behind_the_bytes */
	c->readable = n == sizeof(bytes);
