# What a student types. N is a chapter, M an exercise of it; TREE, STRICT, IS, YES and FORMAT reach tools/lab through the environment.

EXERCISES := $(shell grep -hoE '^\W{3} [0-9]+[.][0-9]+' chapters/*/README.md | cut -c5-)

.PHONY: progress report starters

$(NUMBERS:%=chapter%): chapter%: build/setup/core build/setup/test ## builds your chapter N, runs its tests and its counter
	@$(LAB) chapter $*

$(EXERCISES:%=try%): try%: build/setup/core build/setup/test ## that exercise alone, with the strace of its failure
	@$(LAB) try $*

$(NUMBERS:%=run%): run%: build/setup/core ## your server of chapter N on port 7000, to play with
	@$(LAB) run $*

$(EXERCISES:%=hint%): hint%: ## the next hint of that exercise, one more each time
	@$(LAB) hint $*

$(EXERCISES:%=predict%) $(NUMBERS:%=predict%): predict%: ## keeps your prediction for the report (IS=3); predictN: of the chapter's total
	@$(LAB) predict $*

$(EXERCISES:%=give%): give%: build/setup/test ## puts the solution of that exercise into your file; asks first, keeps a backup
	@$(LAB) give $*

$(NUMBERS:%=diff%): diff%: build/setup/test ## the chapter that N refines, solved, against your file (TREE=solutions: both solved)
	@$(LAB) diff $*

$(NUMBERS:%=watch%): watch%: build/setup/core build/setup/test build/setup/watch ## chapterN again at each save
	@$(LAB) watch $*

$(NUMBERS:%=reset%): reset%: build/setup/test ## the starter of chapter N again; asks first, keeps a backup
	@$(LAB) reset $*

$(NUMBERS:%=solution%): solution%: build/setup/core build/setup/test ## chapterN on the finished server
	@$(LAB) solution $*

progress: ## every exercise, done or not or stale, and points
	@$(LAB) progress

report: build/setup/core build/setup/test ## points for a grader, under build/results (FORMAT=junit|gradescope, ONLY="4 5")
	@$(LAB) report

starters: build/setup/test ## for maintainers: writes every starter that differs from its solution
	@$(LAB) starters

# How a server is compiled and linked, for checks that build variants of one.
.PHONY: lab-flags
lab-flags:
	@echo '$(or $(COMPILE_$(PROGRAM)),$(CC) $(CFLAGS) $(ALL_C) $(SANITIZE_$(VARIANT)) -Ichapters/common)'
	@echo '$(or $(LINK_$(PROGRAM)),$(patsubst %.c,build/$(VARIANT)/common/%.o,$(KIT)) $(LIBS_$(CHAPTER)))'

# A name that nothing makes: most often a chapter or an exercise that does not exist.
.DEFAULT:
	@$(LAB) unknown $@
