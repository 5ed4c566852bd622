/* caught by: member access within misaligned address */
	polled[c->slot] = polled[count];
	conns[c->slot] = conns[count];
	conns[c->slot]->slot = c->slot;
	count--;
