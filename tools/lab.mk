# What a student types. N is a chapter, M an exercise of it; TREE, STRICT, IS, YES and FORMAT reach tools/lab through the environment.

.PHONY: progress report starters

chapter%: build/setup/core build/setup/test ## builds your chapter N, runs its tests and its counter
	@$(LAB) chapter $*

try%: build/setup/core build/setup/test ## (tryN.M) that exercise alone, with the strace of its failure
	@$(LAB) try $*

run%: build/setup/core ## your server of chapter N on port 7000, to play with
	@$(LAB) run $*

hint%: ## (hintN.M) the next hint of that exercise, one more each time
	@$(LAB) hint $*

predict%: ## (predictN.M IS=3) keeps your prediction, for the report
	@$(LAB) predict $*

give%: build/setup/test ## (giveN.M) puts the solution of that exercise into your file; asks first, keeps a backup
	@$(LAB) give $*

diff%: build/setup/test ## the chapter that N refines, solved, against your file (TREE=solutions: both solved)
	@$(LAB) diff $*

watch%: build/setup/core build/setup/test build/setup/watch ## chapterN again at each save
	@$(LAB) watch $*

reset%: build/setup/test ## the starter of chapter N again; asks first, keeps a backup
	@$(LAB) reset $*

solution%: build/setup/core build/setup/test ## chapterN on the finished server
	@$(LAB) solution $*

progress: ## every exercise, done or not or stale, and points
	@$(LAB) progress

report: build/setup/core build/setup/test ## points for a grader (FORMAT=junit|gradescope), under build/results
	@$(LAB) report

starters: build/setup/test ## for maintainers: writes every starter that differs from its solution
	@$(LAB) starters

# How a server is compiled and linked, for checks that build variants of one.
.PHONY: lab-flags
lab-flags:
	@echo '$(CC) $(CFLAGS) $(ALL_C) $(SANITIZE_$(VARIANT)) -Ichapters/common'
	@echo '$(patsubst %.c,build/$(VARIANT)/common/%.o,$(KIT)) $(LIBS_$(CHAPTER))'
