#!/bin/bash -p
# The one test command, the same by hand and in CI.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/test.sh [unit|system|faults|web|all] [-- CTEST-ARGUMENT...]
Installs missing packages, builds into build/, runs the tests, prints their summary last.
  unit     sources: format, layers, house style, shell; then everything without other processes
  system   real nodes, real clients, a private database, kill -9
  faults   unit, and the system tests that test/system/README.md names beside a fault's id
  web      the pages: files and words, then each in a real Chromium, and pages of strangers;
           its pictures lie in build/screenshots
  all      everything (default)
Repeat a random test with the seed it printed: STAMPEDE_TEST_SEED=N scripts/test.sh unit -- -R NAME
Exit: 0 all passed, 1 a test failed, the build failed or a process was left behind, 2 wrong use.
TEXT
}

what=all
case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  unit | system | faults | web | all) what=$1; shift ;;
  "" | --) ;;
  *) wrong_use "$1" ;;
esac
if [[ ${1:-} == -- ]]; then shift; fi
ctest_arguments=("$@")

# Every process started below carries this mark in its environment, wherever it ends up.
export STAMPEDE_TEST_RUN=$$.$EPOCHSECONDS
summaries=()
failed=0
scratch=$(mktemp -d)
trap 'end_leftovers >/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# end_leftovers: kills what the tests left running and prints it. Nothing of this script itself.
end_leftovers() {
  python - "$$" "STAMPEDE_TEST_RUN=$STAMPEDE_TEST_RUN" <<'PYTHON'
import os, signal, sys
from pathlib import Path
def parent(pid):
    return int((Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])
def is_ours(pid, script):
    while pid > 1:
        if pid == script:
            return True
        pid = parent(pid)
    return False
script, mark = int(sys.argv[1]), sys.argv[2].encode()
for process in Path("/proc").iterdir():
    try:
        marks = (process / "environ").read_bytes() if process.name.isdigit() else b""
        if mark not in marks.split(b"\0"):
            continue
        pid = int(process.name)
        if not is_ours(pid, script):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            os.kill(pid, signal.SIGKILL)
            print(pid, words)
    except OSError:
        continue
PYTHON
}

# run_label LABEL PARALLEL: one ctest run; remembers its summary.
run_label() {
  local label=$1 output=$scratch/$1.txt left
  say "--- $label tests"
  if ! (cd "$BUILD" && ctest -L "^$label\$" -j "$2" --output-on-failure --timeout 900 \
    "${ctest_arguments[@]}" 2>&1 9>&-) | tee "$output"; then
    failed=1
  fi
  left=$(end_leftovers)
  if [[ -n $left ]]; then
    failed=1
    summaries+=("$label: left processes behind (killed now): $left")
  fi
  if grep -q 'No tests were found' "$output"; then
    summaries+=("$label: no tests registered")
  else
    summaries+=("$label: $(grep -E 'tests passed' "$output" || echo 'ctest did not finish'),$(
      sed -n 's/^Total Test time (real) = */ /p' "$output")")
    mapfile -t -O "${#summaries[@]}" summaries < <(
      sed -n '/^The following tests FAILED/,$p' "$output" | sed -n 's/^\t\s*/  failed: /p')
  fi
}

# check_labels: a test without one of the two labels would never run.
check_labels() {
  local stray
  stray=$(cd "$BUILD" && ctest -N -LE '^(unit|system)$' | sed -n 's/^ *Test *#[0-9]*: /  /p')
  if [[ -n $stray ]]; then
    failed=1
    summaries+=("tests without a label unit or system, never run:" "$stray")
  fi
}

# fault_tests: a pattern of the system tests that the ledger's rows of faults name, as `system_NAME`
# or by its file. Such a row has its id in front or in brackets behind what a user suffered.
fault_tests() {
  grep -E '^\| [SDHPO][0-9]{2} |\([SDHPO][0-9]{2}\) \|' "$PROJECT/test/system/README.md" |
    grep -oE '`(system_[a-z_]+|[a-z_]+_test\>)' |
    sed 's/^`//;s/^system_//;s/_test$//;s/.*/^system_&$/' | sort -u | paste -sd '|'
}

say "--- packages and build"
"$PROJECT/scripts/install_deps.sh" --clients --browser --promtool --package >&2
build_project all
check_labels
case $what in
  unit) run_label unit 2 ;;
  system) run_label system 2 ;;
  faults)
    run_label unit 2
    ctest_arguments+=(-R "$(fault_tests)")
    run_label system 2
    ;;
  web) run_label web 2 ;;
  all)
    run_label unit 2
    run_label system 2
    ;;
esac

printf '\n'
printf '%s\n' "${summaries[@]}"
if ((failed)); then echo "FAIL"; else echo "PASS"; fi
exit "$failed"
