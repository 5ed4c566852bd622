/* caught by: expected the victim */
/* on: ex5_the_idle_victim_of_a_flood */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	for (int i = 0; i < BUFFERS && (c = list_take(&starved)); i++)
		end_turn(c, false);
