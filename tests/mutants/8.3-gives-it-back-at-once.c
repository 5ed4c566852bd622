/* caught by: the slow client expected 20010 bytes */
/* on: ex3_bytes_are_the_kernels */
	if (flags & IORING_CQE_F_NOTIF) {
		c->copied = (uint32_t)result & IORING_NOTIF_USAGE_ZC_COPIED;
		copied += c->copied;
		zero_copies++;
		return;
	}
