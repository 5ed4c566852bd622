# What is commonly said about these models, tried on this machine.

CLAIM_PROGRAMS := $(EXPERIMENT_SERVERS) build/tools/drive build/tools/load build/tools/syscount

.PHONY: claims
claims: $(CLAIM_PROGRAMS) | build/setup/core build/setup/test ## tries what is commonly said, on this machine (ID=C7: that alone)
	@python3 tools/claims $(ID)
