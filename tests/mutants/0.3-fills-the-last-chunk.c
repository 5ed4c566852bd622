/* caught by: the last chunk holds what is left, no less and no more */
		long size = chunk;
