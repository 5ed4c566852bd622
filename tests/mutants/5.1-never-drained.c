/* caught by: the server is looping */
/* on: ex1_request_behind_a_full_read */
	c->readable = true;
