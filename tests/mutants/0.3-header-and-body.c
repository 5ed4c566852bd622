/* caught by: expected 157 writes */
/* on: ex3_bytes_per_crossing */
		/* A length first and then what it is the length of: two calls where one would do. */
		long size = bytes - moved < chunk ? bytes - moved : chunk;
		if (size > 1) {
			give(ends, 1);
			take(ends, 1);
			moved += 1;
			size -= 1;
		}
