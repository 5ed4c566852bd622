/* caught by: receives ended for want of buffers */
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
