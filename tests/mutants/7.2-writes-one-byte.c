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
/* as solved */
/* ---- */
	char one = 1;
	while (first && write(done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
