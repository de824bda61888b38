# Cloister. Each target does its own set-up; a second time that takes a moment only.
#   make demo     see it work: checks the host, then one program at every isolation level, compared
#   make test     lint, types, unit tests, guest tests
#   make build    what bin/cloister needs      make bench    the benchmarks (one: BENCH=cold-run)
#   make install  PREFIX=/usr/local: a link to bin/cloister

.DEFAULT_GOAL := build
PREFIX ?= /usr/local
BENCH ?= $(patsubst bench/%.ts,%,$(filter-out bench/report.ts,$(wildcard bench/*.ts)))

setup:
	@scripts/setup.sh

# What is built from C needs a compiler and nothing else; the bundle comes last, since making it runs a guest.
build: setup
	@$(MAKE) --no-print-directory -s -C guest-kernel
	@$(MAKE) --no-print-directory -s -C rootfs
	@node scripts/bundle.js

demo: build
	@scripts/demo.sh

test: build
	@node_modules/.bin/biome check --diagnostic-level=error .
	@node_modules/.bin/tsc
	@node scripts/test.js

bench: build
	@node_modules/.bin/tsc
	@for bench in $(BENCH); do echo "== $$bench"; node build/bench/$$bench.js $(ARGS) || exit 1; done

lint: setup
	@node_modules/.bin/biome check .
	@node_modules/.bin/tsc --noEmit

format: setup
	@node_modules/.bin/biome check --write .

# A link, so that the next build is the installed one.
install: build
	@mkdir -p $(DESTDIR)$(PREFIX)/bin
	ln -sf $(CURDIR)/bin/cloister $(DESTDIR)$(PREFIX)/bin/cloister

clean:
	rm -rf build dist
	@$(MAKE) --no-print-directory -s -C guest-kernel clean
	@$(MAKE) --no-print-directory -s -C rootfs clean

.PHONY: setup build demo test bench lint format install clean
