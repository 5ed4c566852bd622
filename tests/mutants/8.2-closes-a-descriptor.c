/* caught by: expected "+PONG */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	io_uring_prep_close(sqe, (int)slot);
