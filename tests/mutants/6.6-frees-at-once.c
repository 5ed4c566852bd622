/* caught by: heap-use-after-free */

/* ---- */
/* as solved */
/* ---- */

/* ---- */

