/* caught by: expected 8 sends, all of them copied */
	if (flags & IORING_CQE_F_MORE) {
		c->taken = result;
		return;
	}
	if (flags & IORING_CQE_F_NOTIF) {
		zero_copies++;
		result = c->taken;
	}
