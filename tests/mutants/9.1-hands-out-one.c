/* caught by: expected 4 workers to be given a completion */
/* on: ex1_completions_that_come_at_once */
	for (bool closed = false; !closed;) {
		struct io_uring_cqe *cqe;
		ring_check(io_uring_wait_cqe(&port->ring, &cqe));
		pthread_mutex_lock(&port->lock);
		while (io_uring_peek_cqe(&port->ring, &cqe) == 0) {
			if (io_uring_cqe_get_data(cqe))
				complete(port, io_uring_cqe_get_data(cqe), cqe);
			io_uring_cqe_seen(&port->ring, cqe);
		}
		if (port->running < port->concurrency && port->sleepers && port->done.first)
			let_run(port, take_worker(&port->sleepers), take(&port->done));
		closed = port->closed;
		pthread_mutex_unlock(&port->lock);
	}
