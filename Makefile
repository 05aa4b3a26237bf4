# Two commands do everything on a bare machine with Rust, gcc and Debian packages reachable:
#   make demo    a three-node zone on this machine, showing the main job and a failover
#   make test    everything CI checks
# While you work on a change:
#   make check   format, lints, and the unit tests of the packages that changed; no zone is started
#   make fix     formats, and mends what the lints can mend
#   make accept  writes the lists anew that follow from the table of methods (state-machine/*.txt)
# And, of what takes longer:
#   make chaos   ten minutes of faults on real processes (root, or user namespaces); make test has a minute of it
# Build output and caches live outside the clone; nothing is fetched that is not a registry package.

CACHE            ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quorate
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CCACHE_DIR       ?= $(CACHE)/ccache
# RocksDB is the slow build: its objects come from ccache in whatever target directory and profile.
export CCACHE_BASEDIR   ?= $(CACHE)
export CCACHE_NOHASHDIR ?= 1
export CC               := ccache gcc
export CXX              := ccache g++
SHARED ?= $(abspath ../shared)
QUORATE = $(CARGO_TARGET_DIR)/release/quorate
export QUORATE_VENV ?= $(CACHE)/venv
VENV = $(QUORATE_VENV)
export QUORATE_NEXT := $(CARGO_TARGET_DIR)/debug/quorate-next

.PHONY: check tidy tidy-lists fix accept golden demo test setup setup-test build next fmt deny clippy unit conformance clients sim chaos chaos-driver chaos-short bench

demo: setup build
	python3 deploy/demo.py $(QUORATE)

test: setup setup-test fmt deny clippy unit conformance clients sim chaos-short

setup:
	@deploy/setup.sh base

setup-test:
	@deploy/setup.sh test

build:
	cargo build --release --locked -p quorate-node

fmt:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Licences and sources of dependencies (deny.toml). Known vulnerabilities are not asked for: their list is on another host.
deny: setup-test
	PATH="$(VENV)/bin:$$PATH" cargo deny --locked check licenses bans sources

# The test of upgrades needs a second build, which supports a feature level more. The same packages as in `unit` are
# selected, so that all dependencies are shared with it; the ordinary binary is what stays in its place.
next:
	cargo build --workspace --bin quorate --features quorate-node/test-next-level --locked
	cp $(CARGO_TARGET_DIR)/debug/quorate $(QUORATE_NEXT)
	cargo build --workspace --bin quorate --locked

unit: next
	cargo nextest run --workspace --locked --no-fail-fast
	cargo nextest run --workspace --locked --run-ignored only -E 'package(quorate-node) & binary(upgrade)'

# The packages that changed, as `-p NAME`; empty when only documentation did.
CHANGED = $(shell tools/changed-packages.sh)

check: setup setup-test fmt tidy
	$(if $(CHANGED),cargo clippy $(CHANGED) --all-targets --locked -- -D warnings)
	$(if $(CHANGED),cargo nextest run $(CHANGED) --lib --bins --locked --no-fail-fast --no-tests=pass)

# Rules that the compiler does not know: layers, lengths, dead files, comments. Seconds; `unit` runs them, too.
tidy:
	cargo nextest run -p quorate-tidy --locked --no-fail-fast

fix:
	cargo clippy --fix --allow-dirty --allow-staged --workspace --all-targets --locked
	cargo fmt --all

# Writes what follows from the table of methods: its rows, which of them OpenNebula does not have, and who may call what
# (state-machine/*.txt). Read the diff before you commit it.
accept:
	QUORATE_ACCEPT=1 cargo nextest run --locked -p quorate-state-machine -E \
		'test(a_row_changes_only_with_a_level) + test(other_rows_are_listed) + test(who_may_call_what_is_written_down)'

# Writes the frozen bytes anew (proto/golden): only until the release that begins them is made (docs/formats.md).
golden:
	QUORATE_NEW_GOLDEN=1 cargo test --locked -p quorate-raft-store --test golden

# Writes the lists of what breaks them today (tidy/allowed-*.txt) anew after files were moved. No list gets longer.
tidy-lists:
	QUORATE_TIDY_LISTS=1 cargo nextest run -p quorate-tidy --locked --no-fail-fast

conformance: build
	@deploy/conformance.sh $(QUORATE) $(SHARED)

# A real client tells the story of the demo and reads every object back.
clients: build
	$(VENV)/bin/python deploy/pyone_story.py $(QUORATE)
	$(VENV)/bin/python deploy/pyone_story.py $(QUORATE) --encrypted

# Simulated zones, each from a seed, for so many seconds. Optimising the whole program would take longer than it saves.
sim:
	CARGO_PROFILE_RELEASE_LTO=off cargo run --quiet --release --locked -p quorate-sim-tests -- --seconds $(or $(SIM_SECONDS),150)

CHAOS = $(CARGO_TARGET_DIR)/debug/quorate-chaos --binary $(QUORATE)

# What is tortured is the release; who tortures it is built as for `unit`, with the same packages selected.
chaos-driver:
	cargo build --workspace --bin quorate-chaos --locked

chaos: setup build chaos-driver
	$(CHAOS) --seconds $(or $(CHAOS_SECONDS),600)

chaos-short: build chaos-driver
	$(CHAOS) --seconds 45 --nodes 3
	$(CHAOS) --seconds 6 --nodes 3 --only isolate-leader --stale-reads

bench: setup build
	$(QUORATE) bench --dir $(CACHE)
