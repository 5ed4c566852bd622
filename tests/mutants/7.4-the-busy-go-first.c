/* caught by: replies before C's and */
/* on: ex4_first_come_first_served */
static struct list parked;
static void resume(void);
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (c->parked)
		list_add(&parked, c);
	resume();
/* ---- */
/* as solved */
/* ---- */
		/* on_event() does it, when c has what it needs */
