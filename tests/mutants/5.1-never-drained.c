/* caught by: the server is looping */
	c->readable = true;
