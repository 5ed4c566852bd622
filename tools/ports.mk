# Chapter 9's port: the program that sees it from inside, and the experiment that compares it with a plain pool.

# tests/inside_chNN.c and the chapter's port, without its server. $(1) variant, $(2) tree
define inside_rules
build/$(1)/$(2)/09-completion-ports/inside_ch09.o: tests/inside_ch09.c $(2)/09-completion-ports/port.h | build/setup/core build/setup/uring
	$$(call say,cc,$$@)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(ALL_C) $$(SANITIZE_$(1)) -I$(2)/09-completion-ports -c $$< -o $$@
build/$(1)/$(2)/09-completion-ports/inside: build/$(1)/$(2)/09-completion-ports/inside_ch09.o build/$(1)/$(2)/09-completion-ports/port.o $$(KIT:%.c=build/$(1)/common/%.o)
	$$(call say,ld,$$@)$$(CC) $$(CFLAGS) $$(SANITIZE_$(1)) -pthread $$^ $$(LIBS_09-completion-ports) -o $$@
endef
$(foreach v,$(VARIANTS),$(foreach t,$(TREES),$(eval $(call inside_rules,$(v),$(t)))))

test-build: $(VARIANTS:%=build/%/solutions/09-completion-ports/inside)

PORT_SERVER := build/plain/solutions/09-completion-ports/server
POOL_SERVER := build/plain/solutions/07-thread-pool/server
.PHONY: ports
ports: $(PORT_SERVER) $(POOL_SERVER) build/tools/load | $(EXPERIMENT_SETUP) ## does the pool's size matter: a port beside a plain pool, over the number of workers (QUICK=1)
	@python3 tools/experiments/ports.py $(PORT_SERVER) $(POOL_SERVER)
