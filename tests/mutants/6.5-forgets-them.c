/* caught by: expected */
/* as solved */
/* ---- */
		else if (result == -ENOBUFS)
			return; /* its bytes wait in the socket */
