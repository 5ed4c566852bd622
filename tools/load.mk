# The load generator, and the check that it can be believed. Its objects stand beside build/tools/load, which is the program.

LOAD_PARTS := $(patsubst tools/load/%.c,build/tools/load.parts/%.o,$(wildcard tools/load/*.c))

build/tools/load.parts/%.o: tools/load/%.c | build/setup/core
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -Itools/probe -c $< -o $@
build/tools/load: $(LOAD_PARTS) $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lm -o $@
