/* caught by: expected */
/* on: ex5_more_bytes_than_buffers */
/* as solved */
/* ---- */
		else if (result == -ENOBUFS)
			return; /* its bytes wait in the socket */
