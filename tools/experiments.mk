# What grows, and who else: the experiments that compare CPU time. QUICK=1 is the short form of each.

EXPERIMENT_SERVERS := $(SERVERS:%=build/plain/solutions/%/server)
# Of the group `test` of tools/setup: redis-server and redis-benchmark.
EXPERIMENT_SETUP := build/setup/core build/setup/plots build/setup/peers build/setup/test

build/tools/peers/%.o: tools/peers/%.c | build/setup/core build/setup/peers
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -c $< -o $@
build/tools/peers/uv: build/tools/peers/uv.o
	$(call say,ld,$@)$(CC) $(CFLAGS) $^ -luv -o $@
build/tools/peers/event: build/tools/peers/event.o
	$(call say,ld,$@)$(CC) $(CFLAGS) $^ -levent_core -o $@

# Servers of all levels are held at once. One that polls would take the cores from all others.
SCALE_SERVERS := $(filter-out %/08-zero-crossings/server,$(EXPERIMENT_SERVERS))

.PHONY: scale peers
scale: $(SCALE_SERVERS) build/tools/drive | $(EXPERIMENT_SETUP) ## what grows with idle connections: CPU per request, memory (QUICK=1)
	@python3 tools/experiments/scale.py $(SCALE_SERVERS)

peers: $(EXPERIMENT_SERVERS) build/tools/drive build/tools/peers/uv build/tools/peers/event | $(EXPERIMENT_SETUP) ## beside redis-server, libuv, libevent and PEER="COMMAND … {port}" (QUICK=1)
	@python3 tools/experiments/peers.py $(EXPERIMENT_SERVERS)
