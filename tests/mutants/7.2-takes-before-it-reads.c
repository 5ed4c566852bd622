/* caught by: expected "+DONE */
/* on: ex2_no_result_is_lost */
/* as solved */
/* ---- */
	/* the results first */
/* ---- */
/* as solved */
/* ---- */
			if (c == &pool) {
				uint64_t told;
				on_done();
				if (read(done_fd, &told, sizeof(told)) < 0)
					continue;
				continue;
			}
