/* caught by: expected "$3 */
/* on: ex3_the_end_brings_no_buffer */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	ring_buffer_give(&buffers, id);
