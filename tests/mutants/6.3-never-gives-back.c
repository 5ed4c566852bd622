/* caught by: expected */
/* on: ex3_buffers_come_back */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */

