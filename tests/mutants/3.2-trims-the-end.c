/* caught by: most of them of clients who have left */
/* on: ex2_who_has_left_costs_nothing */
	polled[c->slot] = (struct pollfd){ .fd = -1 };
	conns[c->slot] = NULL;
	while (count > 1 && !conns[count - 1])
		count--;
