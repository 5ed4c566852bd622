# How many threads: chapter 7's server, measured against the formula and the queueing model. QUICK=1 is the short form.

SIZING_SERVER ?= build/plain/solutions/07-thread-pool/server

.PHONY: sizing
sizing: $(SIZING_SERVER) build/tools/load build/tools/erlang | $(EXPERIMENT_SETUP) ## how many threads: throughput and p99 over the pool's size (QUICK=1)
	@python3 tools/experiments/sizing.py $(SIZING_SERVER)
