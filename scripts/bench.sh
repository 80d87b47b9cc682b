#!/usr/bin/env bash
# The published benchmark: a fresh private system, a few loads, machine and commit in the result.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--duration SECONDS] [--rate N] [--window N] [--items N] [--out FILE]
Starts a private system with an empty log and database in a temporary directory and measures
`stampede bench` on it, one load after the other, each with `verify` at its end:
  open     N orders a second (--rate, default 20000): latency from the planned send time
  closed   as many as go through with N orders open (--window, default 2048): throughput
  single   one order open: latency of one order on an idle system
Results as a table on stdout and as JSON in FILE (default bench-<time>.json in the run directory).
  --duration SECONDS   of each load (default 10)
  --items N            items the orders are spread over (default 1)
Run it on an otherwise idle machine. Numbers of other machines cannot be compared with these.
Exit: 0 measured and verified, 1 failure, 2 wrong use, 4 the books do not agree.
TEXT
}

duration=10
rate=20000
window=2048
items=1
out=
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --duration) need_value "$1" $#; duration=${2%s}; shift 2 ;;
    --rate) need_value "$1" $#; rate=$2; shift 2 ;;
    --window) need_value "$1" $#; window=$2; shift 2 ;;
    --items) need_value "$1" $#; items=$2; shift 2 ;;
    --out) need_value "$1" $#; out=$(realpath -m -- "$2"); shift 2 ;;
    *) wrong_use "$1" ;;
  esac
done
for number in "$duration" "$rate" "$window" "$items"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || fail 2 "'$number' is no number from 1; see --help"
done
out=${out:-$RUN/bench-$(date -u +%Y%m%dT%H%M%SZ).json}
mkdir -p "$(dirname "$out")"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/stampede-bench.XXXXXX")
use_run_dir "$scratch/run"
# shellcheck disable=SC2317  # called by the trap
end_system() {
  "$PROJECT/scripts/stop_all.sh" --now >/dev/null || true
  rm -rf "$scratch"
}
trap end_system EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

base=$(free_port_base)
export STAMPEDE_NET__PORT_BASE=$base STAMPEDE_WEBAPP__HTTP=127.0.0.1:$((base + 50))
say "starting a private system in $scratch"
"$PROJECT/scripts/start_all.sh" >"$scratch/start.txt" || {
  cat "$scratch/start.txt" >&2
  fail 1 "the private system did not start"
}

worst=0
# measure NAME FLAG...: one load; its JSON goes to $scratch/NAME.json.
measure() {
  local name=$1 status=0
  shift
  say "--- $name: stampede bench $*"
  stampede --json bench --duration "${duration}s" --items "$items" "$@" >"$scratch/$name.json" ||
    status=$?
  if ((status > worst)); then worst=$status; fi
}
measure open --rate "$rate"
measure closed --closed --window "$window"
measure single --closed --window 1

commit=$(git -C "$PROJECT" describe --always --dirty 2>/dev/null || echo unknown)
/usr/bin/python3 - "$scratch" "$out" "$commit" "$(df --output=fstype "$scratch" | tail -n 1)" \
  <<'PYTHON'
import json, os, platform, re, sys, time
from pathlib import Path
scratch, out, commit, disk = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
memory = re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())
result = {
    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit,
    "machine": {"cpu": cpu[1] if cpu else "unknown", "cores": os.cpu_count(),
                "memory_mb": int(memory[1]) // 1024, "kernel": platform.release(),
                "filesystem": disk},
    "loads": {},
}
print(f"{'load':8} {'confirmed/s':>12} {'p50 us':>9} {'p99 us':>9} {'p99.9 us':>9} {'max us':>9}"
      f" {'no answer':>10} {'stored/s':>10}  verify")
for name in ("open", "closed", "single"):
    try:
        load = json.loads((scratch / f"{name}.json").read_text())
    except (OSError, ValueError):
        print(f"{name:8} no result")
        continue
    result["loads"][name] = load
    def per_second(count, seconds):
        return f"{load.get(count, 0) / load[seconds]:,.0f}" if load.get(seconds) else "-"
    verify = load.get("verify")
    good = verify.get("ok") if isinstance(verify, dict) else verify
    print(f"{name:8} {per_second('confirmed', 'seconds'):>12} {load.get('p50_us', '-'):>9}"
          f" {load.get('p99_us', '-'):>9} {load.get('p999_us', '-'):>9}"
          f" {load.get('max_us', '-'):>9} {load.get('no_answer', '-'):>10}"
          f" {per_second('stored', 'stored_seconds'):>10}  {good}")
machine = result["machine"]
print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']} MB, kernel "
      f"{machine['kernel']}, {disk}; commit {commit}, {result['time']}")
Path(out).write_text(json.dumps(result, indent=2) + "\n")
PYTHON
say "written: $out"
exit "$worst"
