# Windows: the servers in a chapter's win32/, cross-compiled by MinGW-w64, run under Wine by tools/windows/run.

WIN32    := $(patsubst solutions/%/win32/,%,$(wildcard solutions/*/win32/))
WIN32_CC := x86_64-w64-mingw32-gcc
WIN32_C  := -std=gnu11 -D__USE_MINGW_ANSI_STDIO=1 -MMD -MP $(WARN)
WIN32_KIT := $(addprefix build/win32/common/,conn.o resp.o options.o pace.o startup.o)
WIN32_LIBS := -lws2_32 -lmswsock

build/win32/common/%.o: chapters/common/%.c | build/setup/windows
	$(call say,cc,$@)mkdir -p $(@D) && $(WIN32_CC) $(CFLAGS) $(WIN32_C) -c $< -o $@
build/win32/common/startup.o: chapters/common/win32/startup.c | build/setup/windows
	$(call say,cc,$@)mkdir -p $(@D) && $(WIN32_CC) $(CFLAGS) $(WIN32_C) -c $< -o $@

# $(1) tree, $(2) chapter. There is no sanitizer for Windows here: the debug heap of the prefix stands in.
define win32_rules
build/plain/$(1)/$(2)/win32/server.o: $(1)/$(2)/win32/server.c | build/setup/windows
	$$(call say,cc,$$@)mkdir -p $$(@D) && $(WIN32_CC) $$(CFLAGS) $(WIN32_C) -Ichapters/common -c $$< -o $$@
build/plain/$(1)/$(2)/win32/server.exe: build/plain/$(1)/$(2)/win32/server.o $(WIN32_KIT)
	$$(call say,ld,$$@)$(WIN32_CC) $$(CFLAGS) $$^ $(WIN32_LIBS) -o $$@
endef
$(foreach t,$(TREES),$(foreach c,$(WIN32),$(eval $(call win32_rules,$(t),$(c)))))

# How the lab compiles a variant of such a server: see lab-flags.
COMPILE_win32 := $(WIN32_CC) $(CFLAGS) $(filter-out -MMD -MP,$(WIN32_C)) -Ichapters/common
LINK_win32    := $(WIN32_KIT) $(WIN32_LIBS)

build/wine/system.reg: tools/windows/prefix | build/setup/windows
	@echo '  making a C: drive for Wine, once: build/wine, 700 MB'
	$(Q)rm -rf build/wine && tools/windows/prefix build/wine && touch $@

.PHONY: windows
windows: $(WIN32:%=build/plain/solutions/%/win32/server.exe) build/wine/system.reg ## the Windows servers: installs MinGW-w64 and Wine where they are missing
	@echo 'to play with one: tools/windows/run $(firstword $(WIN32:%=build/plain/solutions/%/win32/server.exe)), then redis-cli -p 7000; Ctrl-C ends it'
