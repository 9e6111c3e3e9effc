# backpropd: build, run, test. `make help` lists the targets.
#
# Everything built goes to build/ (or $(BUILD)); sanitizer builds are this Makefile again with BUILD and SANITIZE set.

BUILD    ?= build
PREFIX   ?= /usr/local
MARCH    ?= native
# onednn, or plain: no library, our own kernels for all. Both have the same results to rounding; bfloat16 is there with oneDNN only.
KERNELS  ?= onednn
SANITIZE ?=
CC       ?= cc
VERSION  := $(shell cat VERSION)
LIBS     := libmicrohttpd jansson sqlite3 nettle libzip libpng libjpeg
TEST_LIBS := check libcurl

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDEN   := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2 -Wformat=2 -Wformat-security
CPPFLAGS += -I. -I$(BUILD) -D_GNU_SOURCE -DBACKPROPD_VERSION='"$(VERSION)"'
ifneq ($(SANITIZE),)
  HARDEN  := -fPIE
  CFLAGS  ?= -O1 -g -fno-omit-frame-pointer
  SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
CFLAGS   ?= -O3 -g
# What lets loops become vector code without reordering any sum: products and sums fuse, and errno and traps of arithmetic, which nobody
# looks at, are given up, so that square roots and comparisons vectorize too.
FLOATS   := -ffp-contract=fast -fno-math-errno -fno-trapping-math
ALL_CFLAGS = -std=c17 $(CFLAGS) -march=$(MARCH) $(FLOATS) $(WARNINGS) $(HARDEN) $(SANITIZE_FLAGS) -MMD -MP
LDFLAGS  += -pie -Wl,-z,relro,-z,now $(SANITIZE_FLAGS)

# Looked up late: `make demo` and `make test` may have to install them first.
LIB_CFLAGS  = $(shell pkg-config --cflags $(LIBS))
LIB_LDLIBS  = $(shell pkg-config --libs $(LIBS)) $(KERNELS_LDLIBS) -lunistring -lz -lm -lpthread
TEST_CFLAGS = $(shell pkg-config --cflags $(LIBS) $(TEST_LIBS))
TEST_LDLIBS = $(shell pkg-config --libs $(TEST_LIBS)) $(LIB_LDLIBS)

ifeq ($(KERNELS),onednn)
  KERNELS_LDLIBS := -ldnnl
  KERNELS_OUT    := engine/kernels_no_library.c
else ifeq ($(KERNELS),plain)
  KERNELS_OUT    := engine/kernels_onednn.c engine/kernels_conv_onednn.c
else
  $(error KERNELS is onednn or plain, not "$(KERNELS)")
endif
ENGINE_C := $(filter-out $(KERNELS_OUT),$(wildcard engine/*.c engine/*/*.c))
SERVER_C := $(filter-out server/main.c,$(wildcard server/*.c server/*/*.c))
UNIT_C   := $(wildcard tests/unit/*/test_*.c tests/unit/*/*/test_*.c tests/integration/test_*.c tests/torture/test_*.c tests/fuzz/test_*.c)
SUPPORT_C := $(wildcard tests/support/*.c)
BENCH_C  := $(wildcard bench/*.c)
DUEL_C   := $(addprefix bench/peers/,duel.c match.c ours.c peer.c)
ASSETS   := $(shell find web migrations -type f 2>/dev/null)

ENGINE_O  := $(ENGINE_C:%.c=$(BUILD)/%.o)
SERVER_O  := $(SERVER_C:%.c=$(BUILD)/%.o) $(BUILD)/assets.o
SUPPORT_O := $(SUPPORT_C:%.c=$(BUILD)/%.o)
TESTS     := $(UNIT_C:%.c=$(BUILD)/%)
BENCHES   := $(BENCH_C:%.c=$(BUILD)/%)
DUEL_O    := $(DUEL_C:%.c=$(BUILD)/%.o)

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all run demo test unit lint format floors asan tsan bench bench-peers golden install clean help deps

all: $(BUILD)/backpropd ## build the server

$(BUILD)/backpropd: $(BUILD)/server/main.o $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LDLIBS)

$(BUILD)/libengine.a: $(ENGINE_O) $(BUILD)/kernels.$(KERNELS)
	rm -f $@ && ar rcs $@ $(ENGINE_O)
# Which kernels the folder was built with, so that it is linked anew when they are others.
$(BUILD)/kernels.$(KERNELS):
	@mkdir -p $(@D) && rm -f $(BUILD)/kernels.* && touch $@
$(BUILD)/libserver.a: $(SERVER_O)
	rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c VERSION
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(LIB_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(TEST_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_O) $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LDLIBS)
$(BUILD)/bench/%.o: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(TEST_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/bench/%: $(BUILD)/bench/%.o $(SUPPORT_O) $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(TEST_LDLIBS)
$(BUILD)/bench/peers/duel: $(DUEL_O) $(BUILD)/libserver.a $(BUILD)/libengine.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LDLIBS)
$(BUILD)/bench/peers/fann_peer: $(BUILD)/bench/peers/fann_peer.o
	$(CC) $(LDFLAGS) -o $@ $^ -lfann -lm

# Web files and migrations, compiled in.
$(BUILD)/assets.c: server/embed.sh $(ASSETS)
	@mkdir -p $(@D)
	sh server/embed.sh web migrations > $@
$(BUILD)/assets.o: $(BUILD)/assets.c $(ASSETS)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

run: all ## serve in the foreground on 127.0.0.1:8080
	$(BUILD)/backpropd

demo: ## install what is missing, build, train on digits, show the result
	sh examples/demo.sh

deps: ## install the libraries and tools that are missing (apt)
	sh tests/tools/install-deps.sh build test

test: ## build and run all tests
	sh tests/run.sh

unit: all $(TESTS) ## build and run unit tests only (FILTER=part of a name)
	sh tests/tools/run-unit.sh $(BUILD) "$(FILTER)"

golden: $(BUILD)/tests/golden/golden ## compare with PyTorch's numbers (GOLDEN=folder, GOLDEN_OPTIONS=--bfloat16)
	$< $(GOLDEN_OPTIONS) $(or $(GOLDEN),tests/golden/data)

lint: ## cppcheck and clang-format, no findings allowed
	sh tests/tools/lint.sh
format: ## let clang-format lay out all C files
	clang-format -i $(ENGINE_C) $(SERVER_C) server/main.c $(UNIT_C) $(SUPPORT_C) $(BENCH_C) $(wildcard bench/peers/*.c) $(shell find engine server tests bench -name '*.h')
floors: ## no part includes what stands above it
	sh tests/tools/floors.sh

asan: ## unit and integration tests under AddressSanitizer and UBSan
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined MARCH=$(MARCH) unit
tsan: ## concurrent tests under ThreadSanitizer
	$(MAKE) BUILD=build/tsan SANITIZE=thread MARCH=$(MARCH) unit FILTER="$(or $(FILTER),concurrent)"

bench: $(BENCHES) all ## measure training and serving
	sh bench/run.sh $(BUILD)
bench-peers: $(BUILD)/bench/peers/duel ## ours beside PyTorch, scikit-learn and FANN, which it installs: pip's below build/, Debian's by apt (KEY=part of a match's name)
	sh bench/peers/run.sh $(BUILD) $(KEY)

install: all ## install binary, man page, systemd unit (PREFIX, DESTDIR)
	install -D -m 755 $(BUILD)/backpropd $(DESTDIR)$(PREFIX)/bin/backpropd
	install -D -m 644 docs/backpropd.1 $(DESTDIR)$(PREFIX)/share/man/man1/backpropd.1
	sed 's|@PREFIX@|$(PREFIX)|g' docs/backpropd.service.in > $(BUILD)/backpropd.service
	install -D -m 644 $(BUILD)/backpropd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/backpropd.service

clean: ## remove what was built
	rm -rf build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
