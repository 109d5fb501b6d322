# SPDX-License-Identifier: MIT
# The front door: the same targets for people, README and CI. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-tsan test-large soak fuzz bench docs check-layers check-headers check-install check-model \
        format check-format deps clean

FOLDER ?=
SWEEPS := $(wildcard tests/*/*sweep*_test.cpp)

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-14s %s\n", $$1, $$2}'

demo:  ## run the examples (FOLDER=... for textstats and wordcount)
	@scripts/install-deps build test
	@scripts/build release examples
	@scripts/demo $(FOLDER)

test: check-layers  ## run the tests: sanitizers and fail points, then the instruction sweep in release
	@scripts/install-deps build test
	@scripts/build debug tests
	@scripts/run-tests debug
	@$(if $(SWEEPS),scripts/build release sweep_tests && scripts/run-tests sweep,echo "no sweep tests" >&2)

test-tsan:  ## run the tests under the thread sanitizer
	@scripts/install-deps build test check
	@scripts/build tsan tests
	@scripts/run-tests tsan

test-large:  ## run the tests of a gibibyte and more, in release
	@scripts/install-deps build test
	@scripts/build release tests
	@scripts/run-tests large

soak:  ## run the long tests, in release
	@scripts/install-deps build test
	@scripts/build release tests
	@scripts/run-tests soak

fuzz:  ## feed damaged input to decoder, handshake and server for a minute (FUZZ_RUNS=... for so many inputs each)
	@scripts/install-deps build test check
	@scripts/build fuzz fuzzers
	@scripts/fuzz $(FUZZ_RUNS)

bench:  ## measure polyproc beside its peers; writes build/bench.json
	@scripts/install-deps build test bench
	@scripts/build release benches
	@bench/run build/release/bench build/bench.json

docs:  ## write the API reference to build/docs/html
	@scripts/install-deps build docs
	@mkdir -p build/docs
	@doxygen docs/Doxyfile >build/docs/log
	@echo "build/docs/html/index.html"

check-layers:  ## no layer includes one above it
	@scripts/check-layers --self-test
	@scripts/check-layers

check-headers:  ## each public header compiles alone, with g++ and clang
	@scripts/install-deps build check
	@scripts/check-headers

check-install:  ## strangers' programs build and run with the installed library
	@scripts/install-deps build check
	@scripts/check-install

check-model:  ## check the models of locks and wake-ups with spin
	@scripts/install-deps build check
	@tests/model/run.sh

format:  ## format all C++ files
	@scripts/install-deps check
	@git ls-files -z '*.hpp' '*.cpp' | xargs -0 clang-format -i

check-format:  ## tell which files `make format` would change
	@scripts/install-deps check
	@for file in $$(git ls-files '*.hpp' '*.cpp'); do clang-format $$file | diff -u --label $$file --label formatted $$file - || bad=1; done; [ -z "$$bad" ]

deps:  ## install all packages that any target needs
	@scripts/install-deps

clean:  ## remove everything that was built
	@rm -rf build
