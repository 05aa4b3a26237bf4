#!/usr/bin/env bash
# Replays the recorded conversations of OpenNebula 6.6.3 against one node and against three, and refuses
# to pass fewer steps than the last commit did (conformance-passed.txt: may only grow).
set -euo pipefail
quorate=$1 shared=$2
here=$(cd "$(dirname "$0")/.." && pwd)
venv="${QUORATE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/quorate/venv}"

if [ ! -f "$shared/conformance/replay.py" ]; then
    echo "conformance: skipped, the recordings ($shared/conformance) are not on this machine"
    exit 0
fi

report=$(mktemp)
trap 'rm -f "$report"' EXIT
# Failed steps are expected while methods are unwritten; the number decides, not the exit status.
"$venv/bin/python" "$shared/conformance/replay.py" --xsd "$shared/xsd" --show 1 --wait "${WAIT:-4}" \
    --serve "$quorate dev --nodes 1 --base-port 3633 --ephemeral" \
    --endpoints http://127.0.0.1:3633/RPC2 --report "$report" || true
"$venv/bin/python" - "$report" "$here/conformance-passed.txt" <<'PY'
import json, sys
cases = json.load(open(sys.argv[1]))
passed, wanted = sum(c["ok"] for c in cases), int(open(sys.argv[2]).read())
print(f"conformance: {passed} steps passed, at least {wanted} wanted")
if passed < wanted:
    sys.exit("conformance: fewer steps pass than at the last commit")
PY
