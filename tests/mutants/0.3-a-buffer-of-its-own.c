/* caught by: expected 1000 writes */
/* on: ex3_bytes_per_crossing */
		/* 4096 is a good size, whatever was asked for. */
		long size = bytes - moved < 4096 ? bytes - moved : 4096;
