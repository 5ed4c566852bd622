/* caught by: expected "+PONG */
/* on: ex2_full_table */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	io_uring_prep_close(sqe, (int)slot);
