/* caught by: expected 1 send without a copy */
/* on: ex3_and_is_not_asked_again */
	if (flags & IORING_CQE_F_MORE) {
		c->taken = result;
		return;
	}
	if (flags & IORING_CQE_F_NOTIF) {
		copied += ((uint32_t)result & IORING_NOTIF_USAGE_ZC_COPIED) != 0;
		zero_copies++;
		result = c->taken;
	}
