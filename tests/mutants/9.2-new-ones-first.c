/* caught by: in the order B, A, D, C */
/* on: ex2_back_first_in_line */
	while (port->running < port->concurrency && port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
	while (port->running < port->concurrency && port->returning)
		let_run(port, take_worker(&port->returning), NULL);
