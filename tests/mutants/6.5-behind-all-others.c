/* caught by: expected the victim */
/* on: ex5_the_idle_victim_of_a_flood */
/* as solved */
/* ---- */
		else if (result == -ENOBUFS)
			list_add(&served, c);
