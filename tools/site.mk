# Pictures from traces, and the pages to browse.

JOURNEY_SERVERS := $(patsubst solutions/%/server.c,build/plain/solutions/%/server,$(wildcard solutions/*/server.c))

.PHONY: journey
journey: $(JOURNEY_SERVERS) build/tools/trace | build/setup/core build/setup/pictures ## the same eight requests at each server: every crossing, as a table and a picture
	@python3 tools/journey capture
	@python3 tools/journey draw

.PHONY: site
site: | build/setup/core build/setup/site ## the lessons and this machine's results as pages, under build/site
	@python3 tools/site
