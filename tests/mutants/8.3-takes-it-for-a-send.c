/* caught by: the slow client expected 20010 bytes */
/* on: ex3_bytes_are_the_kernels */
	zero_copies += (flags & IORING_CQE_F_NOTIF) != 0;
