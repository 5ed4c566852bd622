/* caught by: one worker is woken */
/* as solved */
/* ---- */
	while (port->running < port->concurrency && port->returning)
		let_run(port, take_worker(&port->returning), NULL);
	while (port->running < port->concurrency && port->sleepers && port->done.first)
		let_run(port, take_worker(&port->sleepers), take(&port->done));
	for (struct worker *w = port->sleepers; w; w = w->next)
		pthread_cond_signal(&w->wake);
