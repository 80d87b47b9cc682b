# Shell functions shared by the scripts; sourced, never run. Bash 5, Debian 12.
# shellcheck shell=bash
#
# Sets PROJECT (the source tree, or /usr/share/stampede of the package), RUN (the run directory,
# absolute), STAMPEDE (the binary).
# Processes are known by pid and start time together: a pid alone may have been given away.

# shellcheck source=scripts/parts/surroundings.sh
source "${BASH_SOURCE[0]%/*}/surroundings.sh"

PROJECT=$(cd -P "${BASH_SOURCE[0]%/*}/../.." && pwd)
BUILD=${STAMPEDE_BUILD_DIR:-$PROJECT/build}
STAMPEDE=${STAMPEDE_BIN:-$BUILD/bin/stampede}

# is_installed: these scripts are the package's, without sources.
is_installed() { [[ ! -e $PROJECT/CMakeLists.txt ]]; }
if is_installed; then STAMPEDE=${STAMPEDE_BIN:-$(realpath -m -- "$PROJECT/../../bin/stampede")}; fi

# --- words ---------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }

# fail CODE TEXT: exit codes as in the command line: 1 failure, 2 wrong use, 3 not ready, 4 a check
# found a violation, 5 timed out, 6 refused, 7 could not connect.
fail() {
  local code=$1
  shift
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "$code"
}

wrong_use() { fail 2 "unknown argument '$1'; see --help"; }

# need_value FLAG COUNT: a flag at the end of the line has no value.
need_value() { (($2 > 1)) || fail 2 "$1 needs a value; see --help"; }

# step NAME TEXT: one line of the start report.
step() { printf '%-11s %s\n' "$1" "$2"; }

# --- places --------------------------------------------------------------------------------------

# default_run_dir: beside the sources; of the package, where its user keeps state.
default_run_dir() {
  if is_installed; then
    echo "${XDG_STATE_HOME:-${HOME:?}/.local/state}/stampede"
  else
    echo "$PROJECT/run"
  fi
}

# The run directory is relative to where the caller stands when given.
use_run_dir() {
  RUN=${1:-$(default_run_dir)}
  case $RUN in /*) ;; *) RUN=$PWD/$RUN ;; esac
  RUN_AS_GIVEN=$RUN
  RUN=$(realpath -m -- "$RUN")
  export STAMPEDE_RUN_DIR=$RUN
}
use_run_dir "${STAMPEDE_RUN_DIR:-}"

# trust_run_dir: before anything is read from it. Settings, pids and paths of another user are not
# ours, and a link that lies there leads wherever that user wants.
trust_run_dir() {
  local reason
  reason=$(python "$PROJECT/scripts/parts/place.py" "$RUN_AS_GIVEN") ||
    fail 6 "the run directory $RUN_AS_GIVEN is refused: ${reason:-it cannot be judged}"
}

# stampede ARGS: the command line on this system.
stampede() {
  [[ -x $STAMPEDE ]] || fail 1 "$STAMPEDE is missing; scripts/start_all.sh builds it"
  "$STAMPEDE" --run-dir "$RUN" "$@"
}

# project_files PATTERN...: NUL-separated, tracked or not, but nothing that git ignores.
project_files() {
  if git -C "$PROJECT" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git -C "$PROJECT" ls-files -z --cached --others --exclude-standard -- "$@" | existing_only
  else
    local pattern tests=()
    for pattern in "$@"; do tests+=(-o -path "./$pattern" -o -name "$pattern"); done
    (cd "$PROJECT" && find . \( -path './build*' -o -path ./run \) -prune -o \
      -type f \( "${tests[@]:1}" \) -print0)
  fi
}

# git lists a file that was deleted but not committed, too.
existing_only() {
  local file
  while IFS= read -r -d '' file; do
    if [[ -f $PROJECT/$file ]]; then printf '%s\0' "$file"; fi
  done
}

# lock_scripts: one starting or stopping script at a time on one run directory. Daemons are started
# with `9>&-`, otherwise they would keep the lock.
lock_scripts() {
  trust_run_dir
  (umask 077 && mkdir -p "$RUN")
  trust_run_dir
  chmod 700 "$RUN"
  exec 9>"$RUN/scripts.lock"
  flock -w 120 9 || fail 6 "another script has been at work on $RUN for two minutes; wait for it"
}

# --- processes -----------------------------------------------------------------------------------

# start_time PID: clock ticks since boot, empty when there is no such process (or only its zombie).
start_time() {
  local stat
  [[ -n $1 ]] || return 0
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  local fields
  read -r -a fields <<<"$stat"
  [[ ${fields[0]} == Z ]] || printf '%s' "${fields[19]}"
}

remember_process() { printf '%s %s\n' "$2" "$(start_time "$2")" >"$1"; }

# remembered_process FILE: its pid if that very process still lives.
remembered_process() {
  local pid started
  [[ -r $1 ]] || return 0
  read -r pid started <"$1" || return 0
  if [[ -n $started && $(start_time "$pid") == "$started" ]]; then printf '%s' "$pid"; fi
}

# running_processes: "NAME PID START" of all that belongs to $RUN: nodes, guard, database. Found
# among the processes: lock files and notes can be gone while those who made them live.
running_processes() {
  python "$PROJECT/scripts/parts/processes.py" "$RUN" || fail 1 "the processes cannot be looked at"
}

# running_nodes: those that are nodes, the supervisor too.
running_nodes() { running_processes | sed '/^guard /d;/^database /d'; }

# found_process NAME NOTE: pid of the guard or the database; among the processes when its note is
# gone.
found_process() {
  local pid
  pid=$(remembered_process "$2")
  if [[ -z $pid ]]; then
    pid=$(running_processes | sed -n "s/^$1 \([0-9]*\) .*/\1/p;/^$1 /q")
  fi
  printf '%s' "$pid"
}

guard_pid() { found_process guard "$RUN/guard.pid"; }

# is_running: somebody starts dead nodes again: the guard, or a supervisor that lost it.
is_running() { [[ -n $(guard_pid) ]] || running_nodes | grep -q '^supervisor'; }

# end_process SIGNAL PID START: signals that process and no later owner of the pid.
end_process() {
  if [[ -n $3 && $(start_time "$2") == "$3" ]]; then kill "-$1" "$2" 2>/dev/null || true; fi
}

# wait_for_end SECONDS PID START
wait_for_end() {
  local until=$((SECONDS + $1))
  while [[ -n $3 && $(start_time "$2") == "$3" ]]; do
    ((SECONDS < until)) || return 1
    sleep 0.05
  done
}

# --- ports ---------------------------------------------------------------------------------------

# busy_port HOST PORT...: prints the first port that cannot be bound.
busy_port() {
  python - "$@" <<'PYTHON'
import socket, sys
for port in map(int, sys.argv[2:]):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((sys.argv[1], port))
        except OSError:
            print(port)
            break
PYTHON
}

# free_port_base: a base where the tcp ports of a small system, and base + 50 for HTTP, are free.
free_port_base() {
  python - <<'PYTHON'
import random, socket
def free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
for base in random.sample(range(20000, 32000, 100), 100):
    if all(free(base + offset) for offset in [*range(22), 50]):
        print(base)
        break
PYTHON
}

# --- building ------------------------------------------------------------------------------------

# build_project [TARGET]: configures once and builds; Ninja if there. A room is compiled at once:
# from nothing that takes half the time; who changes sources uses the preset dev, file by file.
build_project() {
  local generator=()
  if [[ ! -f $BUILD/CMakeCache.txt ]]; then
    if command -v ninja >/dev/null; then generator=(-G Ninja); fi
    cmake -S "$PROJECT" -B "$BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 >&2 ||
      fail 1 "configuring failed; scripts/install_deps.sh installs what is missing"
  fi
  cmake --build "$BUILD" --parallel "$(nproc)" --target "${1:-all}" >&2 ||
    fail 1 "the build failed; the first error above says where"
}
