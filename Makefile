# make          install what is missing, build build/apprentice
# make check    unit tests (sanitized), layers, command line, a short pipeline run
# make demo     from problems to a report, in minutes
# make models   train the bundled models again from seeds (long)
# make bench    measure training, rollouts and loading; figures also in build/bench.csv
# make bench-peers  the same by turns with TRL, llama.cpp and transformers (fetched by pip); ARGS="rollout --runs 3"
# make fuzz     every fuzz target for FUZZ_SECONDS (600) each; needs clang; FUZZ=gguf: that one alone
# make interop  load what is exported in llama.cpp and compare, take its server as a teacher, speak MCP with its SDK; makes a Python environment of its own (long)
# make install  to /usr/local, or PREFIX=...
# make clean    remove build/

BUILD := build
CHECK := build/check
FUZZ_BUILD := build/fuzz
FUZZ_SECONDS ?= 600
JOBS := $(shell nproc)
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory

.PHONY: all deps build check demo models bench bench-peers fuzz install clean

all: build

deps:
	@scripts/install-deps.sh

build: deps
	@cmake -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DAP_TESTS=OFF
	@cmake --build $(BUILD) -j $(JOBS)

check: build
	@cmake -S . -B $(CHECK) -DAP_SANITIZE=ON
	@cmake --build $(CHECK) -j $(JOBS)
	@scripts/check.sh $(BUILD) $(CHECK)

demo: build
	@$(BUILD)/apprentice run recipes/demo.yaml

models: build
	@scripts/make-models.sh $(BUILD)/apprentice

bench: build
	@$(BUILD)/apprentice bench --csv $(BUILD)/bench.csv

bench-peers: build
	@scripts/bench-peers.sh $(BUILD) $(ARGS)

fuzz: deps
	@cmake -S . -B $(FUZZ_BUILD) -DCMAKE_C_COMPILER=clang -DAP_FUZZ=ON
	@cmake --build $(FUZZ_BUILD) -j $(JOBS)
	@scripts/fuzz.sh $(FUZZ_BUILD) $(FUZZ_SECONDS) $(FUZZ)

interop: build
	@cmake --build $(BUILD) --target interop_greedy
	@scripts/interop/run.sh $(BUILD)
	@scripts/interop/mcp.sh $(BUILD)
	@scripts/interop/teacher.sh $(BUILD)

install: build
	@cmake --install $(BUILD)

clean:
	@rm -rf $(BUILD)
