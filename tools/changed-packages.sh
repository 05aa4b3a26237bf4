#!/usr/bin/env bash
# Prints `-p NAME` for each package that has changed since this branch left main (or since BASE), committed or not.
# A file that belongs to no package (documentation, Makefile) changes none; the workspace's own Cargo files change all.
set -euo pipefail
cd "$(dirname "$0")/.."

base=${BASE:-$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || echo HEAD)}
changed=$(git diff --name-only "$base"; git ls-files --others --exclude-standard)

# Inner packages (sim-tests/oracle) come before those around them, so that a file belongs to the first that matches.
for manifest in $(git ls-files --cached --others --exclude-standard '*/Cargo.toml' | sort -r); do
    folder=${manifest%/Cargo.toml}
    name=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
    if grep -qE '^(Cargo\.(toml|lock)$|\.cargo/)' <<<"$changed" || grep -q "^$folder/" <<<"$changed"; then
        echo "-p $name"
    fi
    changed=$(grep -v "^$folder/" <<<"$changed" || true)
done
