/* caught by: the server is looping */
/* on: ex1_sleeps_until_asked */
	if (count == room) {
		nfds_t larger = room ? 2 * room : 64;
		struct pollfd *p = realloc(polled, larger * sizeof(*p));
		if (p)
			polled = p;
		struct conn **q = realloc(conns, larger * sizeof(*q));
		if (q)
			conns = q;
		if (!p || !q)
			return false;
		room = larger;
	}
/* ---- */
/* ---- */
		int n = poll(polled, count, 0);
