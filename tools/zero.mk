# What a request costs without a crossing: chapter 8's server beside chapter 6's (tools/experiments/zero.py).

.PHONY: zero
zero: build/plain/solutions/06-io_uring/server build/plain/solutions/08-zero-crossings/server build/tools/load | build/setup/core build/setup/uring ## what a request without a crossing costs in CPU: chapter 8 beside 6 (QUICK=1)
	@python3 tools/experiments/zero.py $(filter %/server,$^)
