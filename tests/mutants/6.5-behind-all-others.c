/* caught by: expected the victim */
/* as solved */
/* ---- */
		else if (result == -ENOBUFS)
			list_add(&served, c);
