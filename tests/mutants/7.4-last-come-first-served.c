/* caught by: replies before C's and */
/* on: ex4_first_come_first_served */
/* as solved */
/* ---- */
	c->parked = true;
	if (!c->queued) {
		c->queued = true;
		c->held++;
		c->link = parked.first;
		parked.first = c;
		if (!c->link)
			parked.last = c;
	}
