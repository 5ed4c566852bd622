/* caught by: A expected */
/* on: ex1_request_longer_than_a_read */
	static bool second;
	second = !second;
	c->readable = n > 0 && second;
