/* caught by: expected "+DONE */
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
