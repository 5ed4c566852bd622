/* caught by: expected "+DONE */
/* on: ex2_a_burst_is_one_wake_up */
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
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	/* it is asked below */
/* ---- */
	uint64_t one = 1;
	bool first = !done.first;
	while (first && write(done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
