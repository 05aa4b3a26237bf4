#!/usr/bin/env python3
"""Replay recorded conversations straight against the state machine: no network, no log, milliseconds a case.

    tools/direct_replay.py [--show N] [--no-build] [case-name-prefix ...]

The real acceptance is shared/conformance/replay.py against a running zone; this is for work on the pools.
Dummy drivers answer whatever is pending whenever the conversation waits for a state (and only then).
Runs the example `direct` of the drivers crate; uses CARGO_TARGET_DIR as cargo does.
"""
import argparse, glob, importlib.util, json, os, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "conformance")
spec = importlib.util.spec_from_file_location("replay", os.path.join(SHARED, "replay.py"))
replay = importlib.util.module_from_spec(spec)
spec.loader.exec_module(replay)


class Direct:
    """Stands in for replay.Zone: one process of the state machine."""

    def __init__(self, binary):
        self.process = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, message):
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else ["transport", "the state machine died"]

    def call(self, method, session, *args):
        return self.ask({"method": method, "session": session, "args": list(args)})

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_step(zone, step):
    if "call" in step:
        return replay.step_ok(zone, step, 0)
    result = replay.step_ok(zone, step, 0.01)
    for _ in range(30):
        if result[0] or not zone.ask({"drain": True}):
            break
        result = replay.step_ok(zone, step, 0.01)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=3, help="failures shown per case")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--xsd", action="store_true", help="also validate replies (needs the xmlschema package)")
    parser.add_argument("prefixes", nargs="*")
    opts = parser.parse_args()
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    if not opts.no_build:
        subprocess.run(["cargo", "build", "-q", "-p", "quorate-drivers", "--example", "direct"], cwd=ROOT, check=True)
    if opts.xsd:
        replay.SCHEMAS = replay.load_schemas(os.path.join(os.path.dirname(SHARED), "xsd"))
    paths = sorted(glob.glob(os.path.join(SHARED, "cases", "*.json")))
    if opts.prefixes:
        paths = [p for p in paths if os.path.basename(p).startswith(tuple(opts.prefixes))]
    total = passed = whole = 0
    for path in paths:
        case = json.load(open(path))
        zone = Direct(os.path.join(target, "debug", "examples", "direct"))
        fails = []
        for n, step in enumerate(case["steps"], 1):
            good, why = run_step(zone, step)
            if not good:
                fails.append((n, step.get("call") or "wait " + step["wait"]["call"], step.get("args", ""), why))
        zone.close()
        n = len(case["steps"])
        total, passed, whole = total + n, passed + n - len(fails), whole + (not fails)
        print(f"{'FAIL' if fails else 'ok  '} {os.path.basename(path)[:-5]:36} {n - len(fails)}/{n}", flush=True)
        for fail in fails[: opts.show]:
            print(f"       step {fail[0]} {fail[1]}{str(fail[2])[:160]}: {str(fail[3])[:600]}")
    print(f"cases {whole}/{len(paths)} whole, steps {passed}/{total} ({100 * passed / max(total, 1):.1f} %)")
    sys.exit(0 if total and passed == total else 1)


if __name__ == "__main__":
    main()
