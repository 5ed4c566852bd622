/* caught by: expected the end of the connection */
	c->readable = n == sizeof(bytes);
