#!/usr/bin/env bash
# Replays the recorded conversations of OpenNebula 6.6.3 against one node and against three, and refuses
# to pass fewer steps than the last commit did (conformance-passed.txt: its numbers may only grow).
set -euo pipefail
quorate=$1 shared=$2
here=$(cd "$(dirname "$0")/.." && pwd)
python="${QUORATE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/quorate/venv}/bin/python"

if [ ! -f "$shared/conformance/replay.py" ]; then
    echo "conformance: skipped, the recordings ($shared/conformance) are not on this machine"
    exit 0
fi

report=$(mktemp)
trap 'rm -f "$report"' EXIT

# replay NAME NODES [OPTION...]
replay() {
    local name=$1 nodes=$2
    shift 2
    echo "conformance: $name"
    # A failed step does not fail the run, fewer passed steps than before do; so the exit status says nothing.
    "$here/deploy/free_ports.py" "$nodes" "$python" "$shared/conformance/replay.py" --xsd "$shared/xsd" --show 2 --wait "${WAIT:-8}" "$@" \
        --serve "$quorate dev --nodes $nodes --base-port {port} --ephemeral" \
        --endpoints {endpoints} --report "$report" | grep -v '^ok ' || true
    "$python" - "$name" "$report" "$here/conformance-passed.txt" <<'PY'
import json, sys
name, report, floors = sys.argv[1:]
cases = json.load(open(report))
passed, total = sum(case["ok"] for case in cases), sum(case["steps"] for case in cases)
whole = sum(case["ok"] == case["steps"] for case in cases)
wanted = dict(line.split() for line in open(floors) if line.strip() and not line.startswith("#"))[name]
print(f"conformance: {name}: {passed}/{total} steps, {whole}/{len(cases)} cases whole; at least {wanted} steps wanted")
if passed < int(wanted):
    sys.exit(f"conformance: {name}: fewer steps pass than at the last commit")
PY
}

replay one-node 1
replay three-nodes 3 --ha
