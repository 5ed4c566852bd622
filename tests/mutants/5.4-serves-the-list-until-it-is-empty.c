/* caught by: between two epoll_wait, but */
/* on: ex4_a_turn_for_everyone */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		while (ready)
			take_turns();
