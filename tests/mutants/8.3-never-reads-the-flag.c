/* caught by: expected 8 sends, all of them copied */
/* on: ex3_the_kernel_says_that_it_copied */
	if (flags & IORING_CQE_F_MORE) {
		c->taken = result;
		return;
	}
	if (flags & IORING_CQE_F_NOTIF) {
		zero_copies++;
		result = c->taken;
	}
