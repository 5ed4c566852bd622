/* caught by: A expected */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
	uint32_t id = flags >> 8;
	const char *bytes = ring_buffer(&buffers, id);
