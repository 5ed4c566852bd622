/* caught by: expected fewer than 50 system calls */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		n = next_turn(cqes, starved.first ? 0 : accept_paused ? ACCEPT_RETRY_MS : -1);
		if (n == 0)
			n = look(cqes, spin_us);
