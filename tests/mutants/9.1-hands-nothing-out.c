/* caught by: the port is stuck in port_wait, although */
/* on: ex1_what_a_completion_carries */
	for (bool closed = false; !closed;) {
		struct io_uring_cqe *cqe;
		ring_check(io_uring_wait_cqe(&port->ring, &cqe));
		pthread_mutex_lock(&port->lock);
		while (io_uring_peek_cqe(&port->ring, &cqe) == 0) {
			if (io_uring_cqe_get_data(cqe))
				complete(port, io_uring_cqe_get_data(cqe), cqe);
			io_uring_cqe_seen(&port->ring, cqe);
		}
		closed = port->closed;
		pthread_mutex_unlock(&port->lock);
	}
