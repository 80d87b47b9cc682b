# What the chaos scripts and the demo share: a system to work on, load, kills, judgement. Sourced
# after lib.sh, never run.
# shellcheck shell=bash
#
# With a running system in $RUN that one is used, with an item of its own so that nothing else is
# sold out; otherwise a private system in a temporary directory is started and removed afterwards.

TIMES=3
BUYERS=
SEED=$((EPOCHSECONDS % 100000))
OWN_RUN=
LOAD_PID=
FAULTS=()

chaos_usage() {
  cat <<TEXT
Usage: scripts/$(basename "$0") [--times N] [--buyers N] [--seed N]
$1
Uses the running system (dev mode only), else starts a private one and removes it afterwards.
  --times N    how many kills, or what is said above (default $TIMES)
  --buyers N   how many orders meanwhile (default 3000 a second)
  --seed N     for the moments of the kills; printed
Exit: 0 PASS, 4 FAIL (a promise was broken), others: the test could not be run.
TEXT
}

chaos_options() {
  local about=$1
  shift
  while (($#)); do
    case $1 in
      --help | -h) chaos_usage "$about"; exit 0 ;;
      --times) need_value "$1" $#; TIMES=$2; shift 2 ;;
      --buyers) need_value "$1" $#; BUYERS=$2; shift 2 ;;
      --seed) need_value "$1" $#; SEED=$2; shift 2 ;;
      *) wrong_use "$1" ;;
    esac
  done
  [[ $TIMES =~ ^[1-9][0-9]*$ ]] || fail 2 "--times '$TIMES' is no number from 1"
  [[ -z $BUYERS || $BUYERS =~ ^[1-9][0-9]*$ ]] || fail 2 "--buyers '$BUYERS' is no number from 1"
  [[ $SEED =~ ^[0-9]+$ ]] || fail 2 "--seed '$SEED' is no number"
  RANDOM=$SEED
}

# --- a system ------------------------------------------------------------------------------------

setting() { python "$PROJECT/scripts/parts/settings.py" "$RUN/stampede.toml" get "$@"; }

own_system_away() {
  local status=$?
  if [[ -n $LOAD_PID ]]; then kill "$LOAD_PID" 2>/dev/null || true; fi
  if [[ -n $OWN_RUN ]]; then
    if ! "$PROJECT/scripts/stop_all.sh" --now >/dev/null; then
      say "the system in $OWN_RUN could not be stopped; see scripts/status.sh"
      status=1
    fi
    if ((status == 0)); then rm -rf "$OWN_RUN"; else say "kept for you to look at: $OWN_RUN"; fi
  fi
}

# use_or_start_system: from here on RUN is a running system.
use_or_start_system() {
  local base
  trap own_system_away EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trust_run_dir
  if is_running; then
    [[ $(setting dev false) == true ]] ||
      fail 6 "the system in $RUN is not in dev mode; nothing is killed on it"
    echo "system: the running one in $RUN"
    return
  fi
  OWN_RUN=$(mktemp -d "${TMPDIR:-/tmp}/stampede.XXXXXX")
  use_run_dir "$OWN_RUN/run"
  base=$(free_port_base)
  export STAMPEDE_NET__PORT_BASE=$base STAMPEDE_WEBAPP__HTTP=127.0.0.1:$((base + 50))
  echo "system: a private one in $RUN, ports from $base"
  "$PROJECT/scripts/start_all.sh" >"$OWN_RUN/start.txt" || {
    cat "$OWN_RUN/start.txt"
    fail 1 "the private system did not start"
  }
}

# new_item NAME STOCK: sets ITEM to one that nobody else sells.
new_item() {
  ITEM=$((EPOCHSECONDS * 1000 + $$ % 1000))
  stampede item add "$ITEM" --name "$1" --stock "$2" >/dev/null ||
    fail 1 "no item could be added; see scripts/status.sh"
}

# --- load ----------------------------------------------------------------------------------------

# start_load STOCK BUYERS SECONDS
start_load() {
  LOAD_RESULT=$(mktemp "${TMPDIR:-/tmp}/stampede-sale.XXXXXX")
  /usr/bin/python3 -Es "$PROJECT/scripts/parts/sale.py" --item "$ITEM" --stock "$1" --buyers "$2" \
    --seconds "$3" --seed "$SEED" \
    --address "tcp://$(setting net.bind 127.0.0.1):$(($(setting net.port_base 7100) + 1))" \
    >"$LOAD_RESULT" &
  LOAD_PID=$!
}

# load_field NAME: of the finished load's result.
load_field() {
  python -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' \
    "$LOAD_RESULT" "$1"
}

finish_load() {
  local status=0
  wait "$LOAD_PID" || status=$?
  LOAD_PID=
  [[ -s $LOAD_RESULT ]] || fail 1 "the buyers ended without a result (status $status)"
  echo "buyers: $(load_field buyers), confirmed $(load_field confirmed)," \
    "rejected $(load_field rejected), no answer $(load_field no_answer)," \
    "asked again $(load_field sent_again) times, p99 $(load_field p99_us) us"
  if ((status != 0)); then
    FAULTS+=("buyers: $(load_field no_answer) without answer; $(load_field faults)")
  fi
}

# --- kills ---------------------------------------------------------------------------------------

# status_if_told: `status --json`, nothing while nobody answers.
status_if_told() { stampede --json status 2>/dev/null || true; }

# node_field NODE FIELD: from `status --json`; empty when unknown.
node_field() {
  status_if_told | python -c '
import json, sys
try:
    nodes = json.load(sys.stdin)["nodes"]
except (ValueError, KeyError):
    nodes = []
for node in nodes:
    if node.get("node") == sys.argv[1]:
        value = node.get(sys.argv[2])
        print(json.dumps(value) if isinstance(value, dict) else "" if value is None else value)
' "$1" "$2"
}

# await_back NODE OLD_PID: until a new process of the node serves; prints how long that took.
await_back() {
  local until=$((SECONDS + 60)) pid
  while ((SECONDS < until)); do
    pid=$(node_field "$1" pid)
    if [[ -n $pid && $pid != "$2" && $pid != 0 ]]; then
      case $(node_field "$1" state) in serving | ready) return 0 ;; esac
    fi
    sleep 0.05
  done
  return 1
}

microseconds() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# kill_node NODE [ACTOR]: kills, waits until it is back, reports.
kill_node() {
  local node=$1 actor=${2:-} pid begin what
  pid=$(node_field "$node" pid)
  [[ -n $pid ]] || fail 1 "status does not know $node; see scripts/status.sh"
  begin=$(microseconds)
  if [[ -n $actor ]]; then
    what="actor $actor of $node"
    stampede chaos kill "$node" --actor "$actor" >/dev/null || fail 1 "$what was not killed"
  else
    what=$node
    stampede chaos kill "$node" >/dev/null || fail 1 "$what was not killed"
  fi
  if await_back "$node" "$pid"; then
    printf '      killed %s (process %s): back in %d ms\n' "$what" "$pid" \
      "$((($(microseconds) - begin) / 1000))"
  else
    FAULTS+=("$what did not come back within 60 s")
    echo "      killed $what: not back after 60 s"
  fi
}

# node_pids: "NODE PID" of every node but the supervisor, sorted.
node_pids() {
  status_if_told | python -c '
import json, sys
try:
    for node in sorted(json.load(sys.stdin)["nodes"], key=lambda node: node["node"]):
        if node["role"] != "supervisor":
            print(node["node"], node["pid"])
except (ValueError, KeyError):
    pass'
}

# kill_supervisor: by its pid, for nobody else would; its guard starts it again.
kill_supervisor() {
  local pid nodes begin
  nodes=$(node_pids)
  pid=$(node_field supervisor-1 pid)
  [[ -n $pid ]] || fail 1 "status does not know the supervisor; see scripts/status.sh"
  begin=$(microseconds)
  end_process KILL "$pid" "$(start_time "$pid")"
  if ! await_back supervisor-1 "$pid"; then
    FAULTS+=("the supervisor did not come back within 60 s")
    return
  fi
  printf '      killed the supervisor (process %s): back in %d ms\n' "$pid" \
    "$((($(microseconds) - begin) / 1000))"
  stampede health --wait 30s >/dev/null || FAULTS+=("not every node was adopted within 30 s")
  if [[ $(node_pids) != "$nodes" ]]; then
    FAULTS+=("nodes did not live through the supervisor's death: before $nodes, after $(node_pids)")
  fi
}

# kill_database: kill -9, away for a random second, started again as start_all.sh does it.
kill_database() {
  local pid
  pid=$(db_pid)
  [[ -n $pid ]] || fail 6 "no private database runs in $RUN; only one of ours is killed"
  end_process KILL "$pid" "$(start_time "$pid")"
  random_pause
  db_start
  printf '      killed the database (process %s): it answers again\n' "$pid"
}

# random_pause: 0.3 to 1 s, so that a kill meets any moment of the work.
random_pause() { sleep "$(printf '0.%03d' $((RANDOM % 700 + 300)))"; }

# --- judgement -----------------------------------------------------------------------------------

# check_books: the program's own check, then the buyers' view against the table.
check_books() {
  local status=0 rows
  stampede verify --wait 60s || status=$?
  if ((status != 0)); then FAULTS+=("stampede verify: exit $status"); fi
  rows=$("$PROJECT/scripts/sql.sh" -N -B -e \
    "SELECT COUNT(*) FROM orders WHERE item_id = $ITEM") || rows="no answer"
  if [[ $rows != "$(load_field confirmed)" ]]; then
    FAULTS+=("$(load_field confirmed) buyers were told confirmed, the table holds $rows rows")
  fi
}

# verdict: PASS or FAIL, and the exit code of the script.
verdict() {
  rm -f "$LOAD_RESULT"
  if ((${#FAULTS[@]} == 0)); then
    echo "PASS"
    exit 0
  fi
  printf 'broken: %s\n' "${FAULTS[@]}"
  echo "FAIL (seed $SEED)"
  exit 4
}

# begin_sale SECONDS [RATE]: a system, an item, and buyers (default 3000 a second) who want more of
# it than there is.
begin_sale() {
  local buyers stock
  buyers=${BUYERS:-$(($1 * ${2:-3000}))}
  stock=$((buyers * 9 / 10))
  use_or_start_system
  new_item "chaos" "$stock"
  echo "load: $buyers buyers want $stock units of item $ITEM within $1 s; seed $SEED"
  start_load "$stock" "$buyers" "$1"
}

end_sale() {
  finish_load
  check_books
  verdict
}

# chaos_under_load KILLS...: each argument is "NODE" or "NODE ACTOR"; one sale, all kills within.
chaos_under_load() {
  local one node actor
  begin_sale $(($# * 3 + 2))
  for one in "$@"; do
    random_pause
    read -r node actor <<<"$one"
    kill_node "$node" "$actor"
  done
  end_sale
}
