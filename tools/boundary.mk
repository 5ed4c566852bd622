# Chapter 0: what one operation costs on this machine.

build/tools/boundary.o: | build/setup/uring
build/tools/boundary: build/tools/boundary.o $(PROBE)
	$(call say,ld,$@)$(CC) $(CFLAGS) -pthread $^ -luring -lm -o $@

BOUNDARY_README := chapters/00-boundary/README.md

.PHONY: boundary boundary-lesson
boundary: build/tools/boundary build/plain/solutions/00-boundary/boundary | build/setup/core build/setup/uring ## what a call, a crossing, a switch and a wake-up cost here
	@mkdir -p build/results && build/tools/boundary --tsv build/results/boundary.tsv -- build/plain/solutions/00-boundary/boundary

# For maintainers: the lesson's figures again, between its markers: the table, and the program's own lines.
boundary-lesson: boundary
	@env -i build/plain/solutions/00-boundary/boundary >build/results/boundary.txt
	@awk -F '\t' -v run=build/results/boundary.txt ' \
		FNR == NR && /^# (kernel|cpu) / { head = head substr($$0, 3) ". " } \
		FNR == NR && !/^#/ && seen++ { rows = rows "| " $$1 " | " ($$2 == "-" ? "–" : sprintf($$2 < 10 ? "%.1f" : "%.0f", $$2)) " | " $$3 " |\n" } \
		FNR == NR { next } \
		/<!-- results .*: end -->/ { within = 0 } \
		!within { print } \
		/<!-- results boundary: begin -->/ { print "| operation | ns | what it is |\n|---|---:|---|\n" rows "\n" head "Written by `make boundary`."; within = 1 } \
		/<!-- results run: begin -->/ { print "```"; while ((getline line <run) > 0) print line; print "```"; within = 1 }' \
		build/results/boundary.tsv $(BOUNDARY_README) >build/results/boundary.md
	@cp build/results/boundary.md $(BOUNDARY_README) && echo "wrote the figures of $(BOUNDARY_README)"
