/* caught by: heap-use-after-free */
/* on: ex4_closed_while_on_the_list */
/* as solved */
/* ---- */
	conn_retire(c);
