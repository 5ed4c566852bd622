/* caught by: expected fewer than 50 system calls */
/* on: ex1_no_call_while_requests_come */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		n = next_turn(cqes, timeout_ms);
		if (n == 0)
			n = look(cqes, spin_us);
