/* caught by: A expected */
/* on: ex3_buffers_come_back */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	uint32_t id = flags >> 8;
	const char *bytes = ring_buffer(&buffers, id);
