/* caught by: expected */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */

