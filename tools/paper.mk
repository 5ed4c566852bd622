# Paper: one sheet a chapter for a workshop, one for its leader, a summary; A4 and US letter.

.PHONY: handouts
handouts: build/tools/syscount | build/setup/core build/setup/test build/setup/pictures build/setup/handouts ## PDFs to print, under build/handouts (ONLY=04-epoll: one chapter)
	@[ -f build/results/costs.tsv ] || $(MAKE) --no-print-directory costs || [ -f build/results/costs.tsv ]
	@python3 tools/paper $(ONLY)
