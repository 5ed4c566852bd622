/* caught by: the last chunk holds what is left, no less and no more */
		if (bytes - moved < chunk)
			break;
		long size = chunk;
