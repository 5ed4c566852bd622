/* caught by: expected 1000 writes */
/* on: ex3_bytes_per_crossing */
		/* One crossing is cheapest. But the pipe takes 64 KiB and no more, and who would read it out meanwhile? */
		long size = bytes - moved < CHUNK_MAX ? bytes - moved : CHUNK_MAX;
