/* caught by: most of them of clients who have left */
	polled[c->slot] = (struct pollfd){ .fd = -1 };
	conns[c->slot] = NULL;
	while (count > 1 && !conns[count - 1])
		count--;
