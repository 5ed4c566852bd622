# What is commonly said about these models, tried on this machine.

CLAIM_PROGRAMS := $(SERVERS:%=build/plain/solutions/%/server) build/tools/drive build/tools/load build/tools/syscount build/tools/waits \
		  $(patsubst tools/claims/%.c,build/tools/claims/%,$(wildcard tools/claims/*.c))

build/tools/claims/%: tools/claims/%.c | build/setup/core build/setup/uring
	$(call say,ld,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(filter-out -MMD -MP,$(ALL_C)) $< -luring -o $@

.PHONY: claims
claims: $(CLAIM_PROGRAMS) | build/setup/core build/setup/test ## tries what is commonly said, on this machine (ID=C7: that alone)
	@python3 tools/claims $(ID)
