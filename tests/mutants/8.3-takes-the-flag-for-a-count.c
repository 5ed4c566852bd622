/* caught by: A expected */
/* on: ex3_and_is_not_asked_again */
	if (flags & IORING_CQE_F_MORE)
		return;
	if (flags & IORING_CQE_F_NOTIF) {
		c->copied = (uint32_t)result & IORING_NOTIF_USAGE_ZC_COPIED;
		copied += c->copied;
		zero_copies++;
	}
