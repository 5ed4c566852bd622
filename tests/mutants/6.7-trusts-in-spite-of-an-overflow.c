/* caught by: expected */
/* on: ex7_bad_news_that_found_no_room */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
/* as solved */
/* ---- */
		end_turns();
