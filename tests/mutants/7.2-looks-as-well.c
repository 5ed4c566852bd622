/* caught by: expected 2 epoll_wait, but there were */
/* on: ex2_nobody_looks_in_vain */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		int timeout = ready ? 0 : accept_paused ? ACCEPT_RETRY_MS : 10;
