/* caught by: expected 2 workers to run while others are blocked, but 1 did */
/* on: ex2_a_block_lets_the_next_in */
	while (port->running + 1 < port->concurrency && port->returning)
		let_run(port, take_worker(&port->returning), NULL);
	while (port->running + 1 < port->concurrency && port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
