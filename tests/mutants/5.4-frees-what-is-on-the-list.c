/* caught by: heap-use-after-free */
/* as solved */
/* ---- */
	conn_retire(c);
