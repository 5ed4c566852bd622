/* caught by: the last chunk holds what is left, no less and no more */
/* on: ex3_bytes_per_crossing */
		if (bytes - moved < chunk)
			break;
		long size = chunk;
