#!/bin/bash -p
# Stops the system of one run directory: nodes first, then its private database.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/stop_all.sh [--now] [--keep-db]
Drains the nodes (at most 30 s: no new orders, waiting ones decided, owed commands written), stops
them and the private database, and reports. What could not be written stays in the command log; the
next start applies it.
  --now       no draining: the nodes are killed. Nothing that was confirmed is lost
  --keep-db   the private database runs on, for `stampede log replay --all` and the like
Looks at processes, whatever became of lock files and notes.
Exit: 0 all stopped (also when nothing ran), 2 wrong use, 5 something does not end.
TEXT
}

now=false
keep_db=false
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --now) now=true; shift ;;
    --keep-db) keep_db=true; shift ;;
    *) wrong_use "$1" ;;
  esac
done

# still_running: what this call is to end and has not.
still_running() { if $keep_db; then running_nodes; else running_processes; fi; }

# signal_nodes SIGNAL: all nodes that live.
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
  while guard=$(guard_pid) && [[ -n $guard ]]; do
    started=$(start_time "$guard")
    end_process TERM "$guard" "$started"
    wait_for_end 45 "$guard" "$started" || end_process KILL "$guard" "$started"
    wait_for_end 10 "$guard" "$started" || return 1
  done
  signal_nodes TERM
  wait_for_nodes 35
}

# The guard first, otherwise it starts again what is killed.
stop_hard() {
  local guard started
  while guard=$(guard_pid) && [[ -n $guard ]]; do
    started=$(start_time "$guard")
    end_process KILL "$guard" "$started"
    wait_for_end 10 "$guard" "$started" || return 1
  done
  local try
  for try in 1 2 3; do
    signal_nodes KILL
    if wait_for_nodes 5; then return 0; fi
    say "try $try: some nodes are still there"
  done
  return 1
}

report_owed() {
  local owed
  [[ -x $STAMPEDE ]] || return 0
  owed=$(timeout 20 "$STAMPEDE" --run-dir "$RUN" --json log replay --dry-run 2>/dev/null |
    python -c 'import json, sys; print(json.load(sys.stdin)["would_apply"])' \
      2>/dev/null) || return 0
  if ((owed == 0)); then
    echo "database up to date"
  else
    echo "$owed commands still owed to the database; the next start applies them"
  fi
}

trust_run_dir
found=$(running_processes)
if $keep_db; then found=$(sed '/^database /d' <<<"$found"); fi
if [[ ! -d $RUN && -z $found ]]; then
  echo "nothing runs: $RUN does not exist"
  exit 0
fi
lock_scripts
# shellcheck source=scripts/parts/private_db.sh
source "$PROJECT/scripts/parts/private_db.sh"

# What `stampede chaos` stopped could not hear that it shall end.
while read -r _ pid started; do
  end_process CONT "$pid" "$started"
done < <(running_processes)

nodes=$(running_nodes | wc -l)
database=
if ! $keep_db && [[ -n $(db_pid) ]]; then database=" and the private database"; fi
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
rm -f "$RUN/guard.pid" "$RUN/guard.lock"
owed=
if ((nodes > 0)); then owed=$(report_owed); fi
if ! $keep_db; then
  while [[ -n $(db_pid) ]]; do db_stop; done
fi
left=$(still_running)
[[ -z $left ]] || fail 5 "these still run: $(tr '\n' ';' <<<"$left")"
if [[ -n $owed ]]; then echo "$owed"; fi
echo "stopped $nodes nodes$database"
