#!/usr/bin/env bash
# Stops the system of one run directory: nodes first, then its private database.
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/stop_all.sh [--now]
Drains the nodes (at most 30 s: no new orders, waiting ones decided, owed commands written), stops
them and the private database, and reports. What could not be written stays in the command log; the
next start applies it.
  --now   no draining: the nodes are killed. Nothing that was confirmed is lost
Exit: 0 all stopped (also when nothing ran), 2 wrong use, 5 something does not end.
TEXT
}

now=false
case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  --now) now=true ;;
  "") ;;
  *) wrong_use "$1" ;;
esac

# signal_nodes SIGNAL: all nodes that hold their locks.
signal_nodes() {
  local pid started
  while read -r _ pid started; do
    end_process "$1" "$pid" "$started"
  done < <(running_nodes)
}

# wait_for_nodes SECONDS
wait_for_nodes() {
  local until=$((SECONDS + $1))
  while [[ -n $(running_nodes) ]]; do
    ((SECONDS < until)) || return 1
    sleep 0.1
  done
}

# The guard passes SIGTERM on; the supervisor drains its nodes. Orphaned nodes get it directly.
stop_politely() {
  local guard started
  guard=$(guard_pid)
  if [[ -n $guard ]]; then
    started=$(start_time "$guard")
    end_process TERM "$guard" "$started"
    wait_for_end 45 "$guard" "$started" || end_process KILL "$guard" "$started"
  fi
  signal_nodes TERM
  wait_for_nodes 35
}

# Process ids of the nodes of $RUN by their command lines: one that was started a moment ago
# holds no lock yet.
node_processes() {
  local file words
  for file in /proc/[0-9]*/cmdline; do
    { mapfile -d '' -t words <"$file"; } 2>/dev/null || continue
    [[ ${words[1]:-} == --run-dir && ${words[2]:-} == "$RUN" ]] || continue
    if [[ " ${words[*]:3} " =~ \ (supervisor|webapp|broker|backend)\  ]]; then
      basename "$(dirname "$file")"
    fi
  done
}

kill_starting_nodes() {
  local pids
  mapfile -t pids < <(node_processes)
  if ((${#pids[@]})); then kill -KILL "${pids[@]}" 2>/dev/null || true; fi
}

# The guard first, otherwise it starts again what is killed.
stop_hard() {
  local guard started
  guard=$(guard_pid)
  if [[ -n $guard ]]; then
    started=$(start_time "$guard")
    end_process KILL "$guard" "$started"
    wait_for_end 10 "$guard" "$started" || return 1
  fi
  local try
  for try in 1 2 3; do
    signal_nodes KILL
    kill_starting_nodes
    if wait_for_nodes 5 && [[ -z $(node_processes) ]]; then return 0; fi
    say "try $try: some nodes are still there"
  done
  return 1
}

report_owed() {
  local owed
  [[ -x $STAMPEDE ]] || return 0
  owed=$(timeout 20 "$STAMPEDE" --run-dir "$RUN" --json log replay --dry-run 2>/dev/null |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["would_apply"])' \
      2>/dev/null) || return 0
  if ((owed == 0)); then
    echo "database up to date"
  else
    echo "$owed commands still owed to the database; the next start applies them"
  fi
}

if [[ ! -d $RUN ]]; then
  echo "nothing runs: $RUN does not exist"
  exit 0
fi
lock_scripts
# shellcheck source=scripts/parts/private_db.sh
source "$PROJECT/scripts/parts/private_db.sh"

# What `stampede chaos` stopped could not hear that it shall end.
signal_nodes CONT
end_process CONT "$(db_pid)" "$(start_time "$(db_pid)")"

nodes=$(running_nodes | wc -l)
database=
if [[ -n $(db_pid) ]]; then database=" and the private database"; fi
if [[ $nodes == 0 && -z $database && -z $(guard_pid) ]]; then
  echo "nothing runs in $RUN"
  exit 0
fi
if $now; then
  stop_hard || fail 5 "these do not end: $(running_nodes | tr '\n' ';')"
elif ! stop_politely; then
  say "some nodes did not end in time; killing them (nothing confirmed is lost)"
  stop_hard || fail 5 "these do not end: $(running_nodes | tr '\n' ';')"
fi
rm -f "$RUN/guard.pid"
if ((nodes > 0)); then report_owed; fi
db_stop
echo "stopped $nodes nodes$database"
