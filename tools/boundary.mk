# Chapter 0: what one operation costs on this machine.

build/tools/boundary.o: | build/setup/uring
build/tools/boundary: build/tools/boundary.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -luring -lm -o $@

.PHONY: boundary
boundary: build/tools/boundary build/plain/solutions/00-boundary/boundary | build/setup/core build/setup/uring ## what a call, a crossing, a switch and a wake-up cost here
	@mkdir -p build/results && build/tools/boundary --tsv build/results/boundary.tsv -- build/plain/solutions/00-boundary/boundary
	@env -i build/plain/solutions/00-boundary/boundary >build/results/boundary.txt
