# Cloister. Each target does its own set-up; a second time that takes a moment only.
#   make demo     see it work: checks the host, then one program at every isolation level, compared
#   make test     lint, types, unit tests, guest tests; a short set of them on emulated SVM hardware (LAB=no: not there)
#   make build    what bin/cloister needs      make linux    the Linux of microVMs: once, in minutes
#   make bench    the benchmarks (one: BENCH=ffi)
#   make lab      a shell on emulated SVM hardware (one command: CMD='...')    make test-svm   the guest tests there
#   make install  PREFIX=/usr/local: a link to bin/cloister, manual pages, completion    make uninstall
#   make man      manual pages into build/man    make pictures  those of the documents, from a real comparison

.DEFAULT_GOAL := build
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
LAB ?= yes
LAB_TIMEOUT ?= 3600
BENCH ?= $(patsubst bench/%.ts,%,$(filter-out bench/report.ts bench/resting.ts,$(wildcard bench/*.ts)))

setup:
	@scripts/setup.sh

# What is built from C needs a compiler and nothing else; the bundle comes last, since making it runs a guest.
build: setup
	@$(MAKE) --no-print-directory -q -C guest-kernel 2>/dev/null || echo 'building the guest kernel'
	@$(MAKE) --no-print-directory -s -C guest-kernel QUIET=1
	@$(MAKE) --no-print-directory -s -C rootfs
	@node scripts/bundle.js

# guest-kernel/linux/README.md: the kernel for this host's KVM.
linux: setup
	@sh guest-kernel/linux/build.sh

# The same, for who has more to do: what cannot be built here is no reason to do none of it.
linux-if-possible: setup
	@[ ! -e /dev/kvm ] || sh guest-kernel/linux/build.sh >/dev/null || { \
	  printf '%s\n' '' '*** There is no Linux for microVMs: that level will not run. What it takes is said above.' '' >&2; }

demo: build linux-if-possible
	@scripts/demo.sh

test: build linux-if-possible
	@node_modules/.bin/biome check --diagnostic-level=error .
	@node_modules/.bin/tsc
	@node scripts/test.js --lab=$(LAB)

bench: build linux-if-possible
	@node_modules/.bin/tsc
	@for bench in $(BENCH); do echo "== $$bench"; node build/bench/$$bench.js $(ARGS) || exit 1; done

# docs/svm-lab.md. One at a time, one after the other: everything is slow there.
lab: export LAB_COMMAND = $(value CMD)
lab: build
	@node scripts/lab/run.js --timeout $(LAB_TIMEOUT) "$$LAB_COMMAND"

# All guest tests, or those of SVM_TESTS='FILES'. The lab's KVM takes the kernel that hardware gets: built once, in minutes.
test-svm: build
	@sh guest-kernel/linux/build.sh standard >/dev/null
	@node_modules/.bin/tsc
	@node scripts/test.js --lab=all $(SVM_TESTS)

lint: setup
	@node_modules/.bin/biome check .
	@node_modules/.bin/tsc --noEmit

format: setup
	@node_modules/.bin/biome check --write .

man: build
	@mkdir -p build
	@bin/cloister help --man --output build/man

pictures: build
	@node scripts/pictures.js

# A link, so that the next build is the installed one.
install: build
	@mkdir -p $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
	  $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	ln -sf $(CURDIR)/bin/cloister $(DESTDIR)$(PREFIX)/bin/cloister
	@bin/cloister help --man --output $(SHARE)/man/man1 >/dev/null
	@bin/cloister completion bash >$(SHARE)/bash-completion/completions/cloister
	@bin/cloister completion zsh >$(SHARE)/zsh/site-functions/_cloister
	@bin/cloister completion fish >$(SHARE)/fish/vendor_completions.d/cloister.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/cloister $(SHARE)/man/man1/cloister.1 $(SHARE)/man/man1/cloister-*.1 \
	  $(SHARE)/bash-completion/completions/cloister $(SHARE)/zsh/site-functions/_cloister \
	  $(SHARE)/fish/vendor_completions.d/cloister.fish

clean:
	rm -rf build dist
	@$(MAKE) --no-print-directory -s -C guest-kernel clean
	@$(MAKE) --no-print-directory -s -C rootfs clean

.PHONY: setup build linux linux-if-possible demo test bench lab test-svm lint format man pictures install uninstall clean
