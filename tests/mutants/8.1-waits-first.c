/* caught by: expected fewer than 50 system calls */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		n = next_turn(cqes, timeout_ms);
		if (n == 0)
			n = look(cqes, spin_us);
