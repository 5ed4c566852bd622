/* caught by: expected 1 of the workers to run, but 2 did */
/* on: ex2_never_more_than_c */
	while (port->running <= port->concurrency && port->returning)
		let_run(port, take_worker(&port->returning), NULL);
	while (port->running <= port->concurrency && port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
