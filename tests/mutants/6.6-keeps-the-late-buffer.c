/* caught by: receives ended for want of buffers */
/* on: ex6_a_late_completion_has_a_buffer */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	if (!(flags & IORING_CQE_F_MORE))
		c->held--;
	if (c->fd < 0)
		return;
