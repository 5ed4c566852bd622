# Chapter 6: who does an operation's work.

build/tools/async.o: | build/setup/uring
build/tools/async: build/tools/async.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -luring -lm -o $@

.PHONY: async
async: build/tools/async | build/setup/core build/setup/uring ## who does an io_uring operation's work: your call, task work, a worker thread
	@mkdir -p build/results && build/tools/async --tsv build/results/async.tsv
