# Chapter 9's reactor on a proactor: epoll's calls made of an io_uring, under chapter 4's server, whose object file is the same.

REACTOR := 09-completion-ports/reactor
# $(1) variant, $(2) tree
define reactor_rules
build/$(1)/$(2)/$(REACTOR)/epoll.o: $(2)/$(REACTOR)/epoll.c | build/setup/core build/setup/uring
	$$(call say,cc,$$@)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(ALL_C) $$(SANITIZE_$(1)) -Ichapters/common $$(NAIVE) -c $$< -o $$@
build/$(1)/$(2)/$(REACTOR)/server: build/$(1)/$(2)/$(REACTOR)/epoll.o build/$(1)/solutions/04-epoll/server.o $$(KIT:%.c=build/$(1)/common/%.o)
	$$(call say,ld,$$@)$$(CC) $$(CFLAGS) $$(SANITIZE_$(1)) -pthread $$^ -luring -o $$@
endef
$(foreach v,$(VARIANTS),$(foreach t,$(TREES),$(eval $(call reactor_rules,$(v),$(t)))))

test-build: $(VARIANTS:%=build/%/solutions/$(REACTOR)/server)

# How the lab links a variant of it: see lab-flags.
LINK_reactor = build/$(VARIANT)/solutions/04-epoll/server.o $(patsubst %.c,build/$(VARIANT)/common/%.o,$(KIT)) -luring

.PHONY: ledger
ledger: $(addprefix build/plain/solutions/,04-epoll/server $(REACTOR)/server 06-io_uring/server) build/tools/drive build/tools/syscount ## a reactor on a proactor against epoll and io_uring: crossings, CPU, memory (QUICK=1)
	@python3 tools/experiments/adapter.py
