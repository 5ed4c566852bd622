# What it costs to hand work to a pool and to come back: chapter 7's server without a pool, with one worker, with four.

POOL_SERVER := build/plain/solutions/07-thread-pool/server
POOL_WORK   := WORK 500 0

.PHONY: handover
handover: $(POOL_SERVER) build/tools/syscount build/tools/trace ## crossings of a WORK that a thread pool does
	@mkdir -p build/results && rm -f build/results/handover.part
	@for n in 0 1 4; do \
		printf '%s, --threads %s\n' '$(POOL_WORK)' $$n; \
		build/tools/syscount --request '$(POOL_WORK)\r\n' --tolerance 1000 --tsv build/results/handover.part --append \
			--chapter 7 --model "$$n" -- $(POOL_SERVER) --threads $$n || exit; \
	done
	@build/tools/trace --batch 3 --request '$(POOL_WORK)\r\n' -- $(POOL_SERVER) --threads 1 >build/results/handover.txt
	@mv build/results/handover.part build/results/handover.tsv && echo "written: build/results/handover.tsv, handover.txt"
