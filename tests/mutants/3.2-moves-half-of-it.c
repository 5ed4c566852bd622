/* caught by: heap-use-after-free in on_event */
/* on: ex2_those_who_stay_are_found */
	count--; /* the last takes its place: the array has no holes */
	polled[c->slot] = polled[count];
	if (conns[count])
		conns[count]->slot = c->slot;
