# What each feature of io_uring saves or costs: the workbench tools/rings, driven by tools/experiments/rings.py.

build/tools/rings/%.o: tools/rings/%.c | build/setup/core build/setup/uring
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -c $< -o $@
build/tools/rings/rings: $(patsubst tools/rings/%.c,build/tools/rings/%.o,$(wildcard tools/rings/*.c))
	$(call say,ld,$@)$(CC) $(CFLAGS) $^ -luring -o $@

.PHONY: rings
rings: build/tools/rings/rings build/tools/drive | build/setup/core build/setup/plots ## what each feature of io_uring saves or costs, alone and together (QUICK=1)
	@python3 tools/experiments/rings.py build/tools/rings/rings
