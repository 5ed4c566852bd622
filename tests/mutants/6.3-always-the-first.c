/* caught by: expected */
/* on: ex3_fifteen_thousand */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	uint32_t id = flags >> IORING_CQE_BUFFER_SHIFT;
	const char *bytes = ring_buffer(&buffers, 0);
