/* caught by: crossings for each of 8 requests */
/* as solved */
/* ---- */
	if (more)
		disarm(fd);
	entries[fd].armed = false;
	arm(fd);
	io_uring_submit(&ring);
