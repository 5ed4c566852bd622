# The load generator, and the check that it can be believed. Its objects stand beside build/tools/load, which is the program.

LOAD_PARTS := $(patsubst tools/load/%.c,build/tools/load.parts/%.o,$(wildcard tools/load/*.c))

build/tools/load.parts/%.o: tools/load/%.c | build/setup/core
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -Itools/probe -c $< -o $@
build/tools/load: $(LOAD_PARTS) $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lm -o $@

# The queueing model, and what uses it.
build/tools/erlang: build/tools/erlang.o build/tools/queueing.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lm -o $@
build/tests/queueing.o build/tests/measure.o: private override CFLAGS += -Itools -Itools/load
build/tests/queueing: build/tests/queueing.o build/tools/queueing.o
	$(call say,ld,$@)$(CC) $(CFLAGS) $^ -lcriterion -lm -o $@
build/tests/measure: build/tests/measure.o $(patsubst %,build/tools/load.parts/%.o,histogram mix schedule)
	$(call say,ld,$@)$(CC) $(CFLAGS) $^ -lcriterion -lm -o $@

.PHONY: load-check
load-check: $(filter-out build/plain/solutions/01-blocking/%,$(SERVERS:%=build/plain/solutions/%/server)) build/tools/load build/tools/drive | build/setup/core build/setup/test ## the load generator against redis-benchmark, and whether it out-runs every server (QUICK=1)
	@python3 tools/experiments/loadcheck.py $(filter %/server,$^)

# A loop that stalls for a fifth of a second, seen by two clocks.
OMISSION_SERVER := build/plain/solutions/05-epoll-et/server
.PHONY: omission
omission: $(OMISSION_SERVER) build/tools/load | build/setup/core ## one run, two latencies: from the send, and from when a request was due
	@mkdir -p build/results
	@build/tools/load --connections 10 --rate 2000 --arrivals constant --duration 2 --omission --stall 200 --model epoll-et \
		--tsv build/results/omission.tsv -- $(OMISSION_SERVER) >build/results/omission.txt; status=$$?; cat build/results/omission.txt; exit $$status
