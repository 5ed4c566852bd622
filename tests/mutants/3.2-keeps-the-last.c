/* caught by: member access within misaligned address */
/* on: ex2_those_who_stay_are_found */
	polled[c->slot] = polled[count];
	conns[c->slot] = conns[count];
	conns[c->slot]->slot = c->slot;
	count--;
