/* caught by: stuck until every receive is handed out */
/* on: ex1_a_burst_from_the_ring */
	for (bool closed = false; !closed;) {
		struct io_uring_cqe *cqe;
		ring_check(io_uring_wait_cqe(&port->ring, &cqe));
		pthread_mutex_lock(&port->lock);
		if (io_uring_peek_cqe(&port->ring, &cqe) == 0) {
			if (io_uring_cqe_get_data(cqe))
				complete(port, io_uring_cqe_get_data(cqe), cqe);
			io_uring_cq_advance(&port->ring, io_uring_cq_ready(&port->ring));
		}
		hand_out(port);
		closed = port->closed;
		pthread_mutex_unlock(&port->lock);
	}
