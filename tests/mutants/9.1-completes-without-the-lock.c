/* caught by: while another thread held the port's lock */
/* on: ex1_the_queue_is_the_locks */
	for (bool closed = false; !closed;) {
		struct io_uring_cqe *cqe;
		ring_check(io_uring_wait_cqe(&port->ring, &cqe));
		while (io_uring_peek_cqe(&port->ring, &cqe) == 0) {
			if (io_uring_cqe_get_data(cqe))
				complete(port, io_uring_cqe_get_data(cqe), cqe);
			io_uring_cqe_seen(&port->ring, cqe);
		}
		pthread_mutex_lock(&port->lock);
		hand_out(port);
		closed = port->closed;
		pthread_mutex_unlock(&port->lock);
	}
