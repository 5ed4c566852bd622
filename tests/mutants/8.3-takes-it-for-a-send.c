/* caught by: the server told of */
	zero_copies += (flags & IORING_CQE_F_NOTIF) != 0;
