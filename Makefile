# The only entry point. `make help` lists what there is.
# V=1 shows the commands; TREE=chapters|solutions chooses whose code; STRICT=1 makes an unsolved exercise a failure, and what doctor finds missing.

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' $(1) $(2);)

CC       := gcc
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wconversion -Wshadow -Wmissing-prototypes -Wstrict-prototypes
ALL_C    := -D_GNU_SOURCE -std=gnu11 -pthread -MMD -MP $(WARN)
SANITIZE_plain :=
SANITIZE_asan  := -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined -O1
SANITIZE_tsan  := -fsanitize=thread -O1

TREE     ?= chapters
VARIANTS := plain asan tsan
TREES    := chapters solutions
CHAPTERS := $(notdir $(wildcard solutions/[0-9]*))
NUMBERS  := $(foreach c,$(CHAPTERS),$(patsubst 0%,%,$(firstword $(subst -, ,$(c)))))
SERVERS  := $(filter-out 00-boundary,$(CHAPTERS))
KIT      := $(notdir $(wildcard chapters/common/*.c))
LAB      := python3 tools/lab

# What is not called server; what a chapter links beside the C library.
PROGRAM_00-boundary       := boundary
LIBS_06-io_uring          := -luring
LIBS_08-zero-crossings    := -luring
LIBS_09-completion-ports  := -luring

.PHONY: help
help: ## this list
	@printf 'Crossings: what it costs a server to talk to the kernel.\n\n'
	@sed -nE 's/^\$$\(NUMBERS:%=([a-z]+)%\):.*## /\1N\t/p; s/^\$$\(EXERCISES:%=([a-z]+)%\)[^#]*## /\1N.M\t/p; s/^([a-zA-Z_.-]+)[^:]*:.*## /\1\t/p' tools/lab.mk $(filter-out tools/lab.mk,$(MAKEFILE_LIST)) | \
		awk -F '\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'
	@printf '\nN is a chapter (%s), M an exercise of it.\n' "$(firstword $(NUMBERS)) to $(lastword $(NUMBERS))"

# ---- set-up: what a target needs is made sure of first, once (build/setup/GROUP) ----

build/setup/%: tools/setup tools/packages.tsv
	$(Q)tools/setup $* && mkdir -p $(@D) && touch $@

.PHONY: doctor
doctor: ## what this machine can run, what is missing, the one command that mends it
	@tools/doctor || [ "$(STRICT)" != 1 ]

# ---- servers: build/VARIANT/TREE/NN-name/server, of all the .c files there and the kit ----

define kit_rules
build/$(1)/common/%.o: chapters/common/%.c | build/setup/core
	$$(call say,cc,$$@)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(ALL_C) $$(SANITIZE_$(1)) -c $$< -o $$@
endef
$(foreach v,$(VARIANTS),$(eval $(call kit_rules,$(v))))

# $(1) variant, $(2) tree, $(3) chapter
define server_rules
build/$(1)/$(2)/$(3)/%.o: $(2)/$(3)/%.c | build/setup/core $(if $(LIBS_$(3)),build/setup/uring)
	$$(call say,cc,$$@)mkdir -p $$(@D) && $$(CC) $$(CFLAGS) $$(ALL_C) $$(SANITIZE_$(1)) -Ichapters/common $$(NAIVE) -c $$< -o $$@
build/$(1)/$(2)/$(3)/$(or $(PROGRAM_$(3)),server): $$(patsubst $(2)/$(3)/%.c,build/$(1)/$(2)/$(3)/%.o,$$(wildcard $(2)/$(3)/*.c)) $$(KIT:%.c=build/$(1)/common/%.o)
	$$(call say,ld,$$@)$$(CC) $$(CFLAGS) $$(SANITIZE_$(1)) -pthread $$^ $$(LIBS_$(3)) -o $$@
endef
$(foreach v,$(VARIANTS),$(foreach t,$(TREES),$(foreach c,$(CHAPTERS),$(eval $(call server_rules,$(v),$(t),$(c))))))

# ---- instruments and tests ----

PROBE := $(patsubst tools/probe/%.c,build/tools/probe/%.o,$(wildcard tools/probe/*.c))

build/tools/probe/%.o: tools/probe/%.c | build/setup/core
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -c $< -o $@
build/tools/%.o: tools/%.c | build/setup/core
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -Itools/probe -c $< -o $@
build/tools/%: build/tools/%.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lm -o $@

build/tests/%.o: tests/%.c | build/setup/test
	$(call say,cc,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(ALL_C) -Wno-missing-prototypes -Itools/probe -Ichapters/common -c $< -o $@
build/tests/ch%: build/tests/ch%.o build/tests/exercise.o build/tests/support.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lcriterion -lm -o $@
build/tests/budgets: build/tests/budgets.o build/tests/support.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lcriterion -lm -o $@
build/tests/faults: build/tests/faults.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lm -o $@
build/tests/conformance: $(patsubst tests/%.c,build/tests/%.o,$(wildcard tests/conformance*.c)) build/tests/support.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -lcriterion -lm -o $@

# The kit's own tests include it, to see it from inside and to make its memory run out; always sanitized.
build/tests/unit: $(wildcard tests/unit*.c tests/unit*.h chapters/common/*) | build/setup/test
	$(call say,ld,$@)mkdir -p $(@D) && $(CC) $(CFLAGS) $(filter-out -MMD -MP,$(ALL_C)) -Wno-missing-prototypes $(SANITIZE_asan) -Ichapters/common $(filter tests/%.c,$^) -lcriterion -o $@

build/tests/fuzz: tests/fuzz.c tests/unit_talk.h $(addprefix chapters/common/,conn.c conn.h resp.c resp.h) | build/setup/fuzz
	$(call say,ld,$@)mkdir -p $(@D) && clang -g -O1 -D_GNU_SOURCE -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Ichapters/common $< -o $@

-include $(shell find build -name '*.d' 2>/dev/null)

# ---- the instruments' commands ----

.PHONY: costs
costs: $(SERVERS:%=build/plain/solutions/%/server) build/tools/syscount ## crossings per request, exact, for every finished server
	@$(LAB) costs

.PHONY: waits
waits: $(SERVERS:%=build/plain/solutions/%/server) build/tools/waits ## context switches a request, and the memory of idle connections
	@mkdir -p build/results && rm -f build/results/waits.tsv
	@$(foreach s,$(SERVERS),build/tools/waits --model $(s:0%=%) --tsv build/results/waits.tsv --append -- build/plain/solutions/$(s)/server &&) \
		echo "written: build/results/waits.tsv"

$(NUMBERS:%=trace%): trace%: build/tools/trace ## the strace of one held batch of chapter N, annotated
	@$(LAB) trace $*

.PHONY: refresh
refresh: ## for maintainers: puts the figures of this machine's results into the texts
	@$(LAB) refresh

PICTURES := $(patsubst %.dot,%.svg,$(wildcard diagrams/*.dot))
.PHONY: diagrams
diagrams: $(PICTURES) $(PICTURES:diagrams/%.svg=build/diagrams/%.png) ## renders the pictures of the lessons
# Without Graphviz's version, which would change them all on another machine.
diagrams/%.svg: diagrams/%.dot diagrams/style.gvpr | build/setup/pictures
	$(call say,dot,$@)gvpr -c -f diagrams/style.gvpr $< | dot -Tsvg | sed '/^<!-- Generated by/,/-->/d' >$@ && [ -s $@ ]
build/diagrams/%.png: diagrams/%.dot diagrams/style.gvpr | build/setup/pictures
	$(call say,dot,$@)mkdir -p $(@D) && gvpr -c -f diagrams/style.gvpr $< | dot -Tpng -Gdpi=144 -o $@ && [ -s $@ ]

.PHONY: fuzz
FUZZ_SECONDS ?= 30
fuzz: build/tests/fuzz ## random bytes against the parser, for FUZZ_SECONDS (30)
	@mkdir -p build/fuzz && cd build/fuzz && ../tests/fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -dict=../../tests/fuzz.dict -print_final_stats=1 -verbosity=1 .

.PHONY: test test-build
test: build/setup/core build/setup/test build/setup/style build/setup/pictures ## everything a maintainer proves
	@tests/run

test-build: $(foreach v,$(VARIANTS),$(SERVERS:%=build/$(v)/solutions/%/server)) build/tools/syscount build/tools/trace build/tools/load build/tools/erlang build/tools/drive build/tools/rings/rings \
	    build/tests/unit build/tests/queueing build/tests/measure build/tests/conformance build/tests/budgets build/tests/faults $(patsubst tests/%.c,build/tests/%,$(wildcard tests/ch*.c))

compile_commands.json: ## for editors and clangd
	$(Q)bear --output $@ -- $(MAKE) -B $(SERVERS:%=build/plain/solutions/%/server) build/tools/syscount >/dev/null && echo "wrote $@"

.PHONY: clean
clean: ## removes what was built; a student's state (build/student) stays
	$(Q)if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name student -exec rm -rf {} +; fi

-include $(wildcard tools/*.mk)
