#!/bin/bash -p
# Starts a whole system on this machine: packages, build, private database, nodes, items.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/start_all.sh [--item ID:NAME:STOCK]... [--nodes webapp=1,broker=1,backend=1]
                            [--db URL|private [--db-password-file FILE]] [--fresh] [--wait SECONDS]
                            [--db-only]
Installs missing packages, builds if needed, starts a private MariaDB, migrates, starts the nodes,
waits until they are ready, adds the items, prints the addresses. Safe to run again: on a running
system it starts what is missing, adds the items that are not there, and lets the system go on as
this program where it runs another one (`stampede upgrade`). A start that fails takes back what it
began; only nodes that need time or you are left running, and it says so.

  --item ID:NAME:STOCK      something to sell; may be given several times. One that is there keeps
                            its stock and its name
  --nodes LIST              how many of each node (default webapp=1,broker=1,backend=1); who is not
                            named runs once. On a running system so many webapps from now on (as
                            `stampede nodes`); the others cannot change
  --db URL                  use this database, mysql://user@host:port/db, instead of a private one;
                            remembered in <run>/stampede.toml. Its user must be allowed to create
                            tables and a view for the migration. Refused while the system runs with
                            another
  --db private              back from such a database to the private one
  --db-password-file FILE   the password of --db URL, mode 0600
  --fresh                   moves the command log and the private database to <run>/old-<time>/ and
                            starts empty; the newest two of these are kept, older ones are removed.
                            Refused with --db and while the system runs
  --db-only                 the private database alone, for `stampede log replay --all` after
                            stop_all.sh; the next start or stop takes it over
  --wait SECONDS            how long to wait for ready (default 60)

State lies in ${STAMPEDE_RUN_DIR:-run}. STAMPEDE_<SECTION>__<KEY> of the environment is kept in its
stampede.toml, for instance STAMPEDE_NET__PORT_BASE=7300 STAMPEDE_WEBAPP__HTTP=127.0.0.1:8090.
Exit: 0 ready, 1 failure, 2 wrong use or configuration (nothing was changed), 3 not ready in time,
6 refused (port, lock, --fresh, --nodes, --db), 7 the database of --db cannot be reached.
TEXT
}

items=()
nodes=
db_url=
private_db=false  # asked for by name
db_password_file=
fresh=false
db_only=false
wait_s=60
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --item) need_value "$1" $#; items+=("$2"); shift 2 ;;
    --nodes) need_value "$1" $#; nodes=$2; shift 2 ;;
    --db) need_value "$1" $#; db_url=$2; shift 2
      if [[ $db_url == private ]]; then private_db=true db_url=; else private_db=false; fi ;;
    --db-password-file) need_value "$1" $#; db_password_file=$(realpath -m -- "$2"); shift 2 ;;
    --wait) need_value "$1" $#; wait_s=${2%s}; shift 2 ;;
    --fresh) fresh=true; shift ;;
    --db-only) db_only=true; shift ;;
    *) wrong_use "$1" ;;
  esac
done

# --- what was asked for --------------------------------------------------------------------------

check_wishes() {
  local item
  for item in "${items[@]}"; do
    [[ $item =~ ^[0-9]+:.+:[0-9]+$ ]] ||
      fail 2 "--item '$item' is not ID:NAME:STOCK, for instance 1:Phone:300"
  done
  local node='(webapp|broker|backend)=(0|[1-9][0-9]{0,2})'
  [[ -z $nodes || $nodes =~ ^$node(,$node)*$ ]] ||
    fail 2 "--nodes '$nodes' is not a list like webapp=1,broker=1,backend=1"
  [[ $wait_s =~ ^(0|[1-9][0-9]{0,6})$ ]] || fail 2 "--wait '$wait_s' is no number of seconds"
  if [[ -n $db_url && ! $db_url =~ ^mysql://[^/]+@[^/]+/.+ ]]; then
    fail 2 "--db '$db_url' is not mysql://user@host:port/db"
  fi
  if $private_db && [[ -n $db_password_file ]]; then
    fail 2 "--db-password-file is of --db URL; the private database makes its own"
  fi
  if $db_only && [[ -n $db_url || ${#items[@]} -gt 0 ]] || { $db_only && $fresh; }; then
    fail 2 "--db-only starts the private database and nothing else"
  fi
  if $fresh && [[ -n $db_url ]]; then
    fail 6 "--fresh is refused with --db: a database that is not ours is never moved"
  fi
  ((${#RUN} <= 80)) ||
    fail 2 "$RUN is too long for unix sockets; choose a shorter one: STAMPEDE_RUN_DIR=~/run"
}

setting() { python "$PROJECT/scripts/parts/settings.py" "$RUN/stampede.toml" get "$@"; }

uses_private_db() { [[ -z $(setting db.url) ]]; }

# What the file, the environment and the flags say together, judged before anything is kept of it:
# a wrong value in the file would fail every later start, too. `chaos list` needs only the keys.
check_settings() {
  (
    # A system that runs keeps what it has accepted, whatever became of the file. The program names
    # variables that are wrong or say something else.
    if [[ -n $(running_nodes) ]]; then
      stampede chaos list >/dev/null
      exit
    fi
    if [[ -n $db_url ]] || $private_db; then export STAMPEDE_DB__URL=$db_url; fi
    if $private_db; then export STAMPEDE_DB__PASSWORD_FILE=; fi
    if [[ -n $db_password_file ]]; then export STAMPEDE_DB__PASSWORD_FILE=$db_password_file; fi
    stampede config check >/dev/null
  ) || fail 2 "the configuration is wrong; the message above says where. Nothing was changed"
}

# A running system is not turned into another one.
check_running_database() {
  local now
  now=$(setting db.url)
  [[ $db_url == "$now" ]] || { [[ -z $db_url ]] && ! $private_db; } ||
    fail 6 "--db: the system runs with ${now:-its private database}; scripts/stop_all.sh first"
}

# What this call began, to be taken back when it fails.
STARTED_NODES=false
WAS_RUNNING=false
SETTINGS_BEFORE=
KEEP=  # why what was begun runs on all the same
FINISHED=false

# take_back: nodes, database and settings of a start that failed, newest first.
take_back() {
  local status=$? keep
  trap - EXIT
  trap '' INT TERM HUP
  if $FINISHED; then exit "$status"; fi
  if ((status == 0)); then status=1; fi  # ended by a signal that nobody thought of
  if [[ -n $KEEP ]]; then
    rm -f "$RUN/stampede.toml.before"
    if $STARTED_NODES; then say "$KEEP; scripts/stop_all.sh stops what runs"; fi
    exit "$status"
  fi
  set +e
  if $STARTED_NODES; then
    flock -u 9  # the stopping script takes it
    if $DB_LAUNCHED; then keep=(); else keep=(--keep-db); fi
    if "$PROJECT/scripts/stop_all.sh" "${keep[@]}" >/dev/null; then
      say "nothing of this start runs any more"
    else
      say "not all of this start could be stopped; see scripts/status.sh, then scripts/stop_all.sh"
    fi
  elif $DB_LAUNCHED; then
    (db_stop)
  fi
  if [[ -n $SETTINGS_BEFORE ]]; then restore_settings; fi
  exit "$status"
}

restore_settings() {
  if [[ -e $SETTINGS_BEFORE ]]; then
    mv "$SETTINGS_BEFORE" "$RUN/stampede.toml"
  else
    rm -f "$RUN/stampede.toml"
  fi
}

# Kept for the tools, which are called without these flags later.
write_settings() {
  local wishes=()
  SETTINGS_BEFORE=$RUN/stampede.toml.before
  rm -f "$SETTINGS_BEFORE"
  if [[ -e $RUN/stampede.toml ]]; then cp -p "$RUN/stampede.toml" "$SETTINGS_BEFORE"; fi
  if [[ -n $db_url ]]; then wishes+=("db.url=$db_url" "dev=${STAMPEDE_DEV:-false}"); fi
  if [[ -n $db_password_file ]]; then wishes+=("db.password_file=$db_password_file"); fi
  if $private_db; then
    if ! uses_private_db; then wishes+=("dev=${STAMPEDE_DEV:-true}"); fi
    unset STAMPEDE_DB__URL STAMPEDE_DB__PASSWORD_FILE
    wishes+=(db.url= db.password_file=)
  fi
  # Chaos is for systems that own their database.
  if [[ -z $db_url ]] && uses_private_db; then wishes+=("dev=$(setting dev true)"); fi
  python "$PROJECT/scripts/parts/settings.py" "$RUN/stampede.toml" set \
    --like <(stampede --json config show) "${wishes[@]}"
}

# --- steps ---------------------------------------------------------------------------------------

# remove_older_states NEWEST: two are kept, this one whatever the clock said at the others.
remove_older_states() {
  local old others=()
  for old in "$RUN"/old-????????T??????Z; do
    if [[ ! $old =~ /old-[0-9]{8}T[0-9]{6}Z$ || $old == "$1" ]]; then continue; fi
    if [[ -d $old && ! -L $old ]]; then others+=("$old"); fi
  done
  for old in "${others[@]::${#others[@]}-1}"; do
    if rm -rf -- "$old"; then
      step fresh "removed $old: the newest two are kept"
    else
      say "$old is older than the newest two, and could not be removed"
    fi
  done
}

# What a start has made that ended before it was ready is no state to be kept.
FRESH_BEGUN=$RUN/fresh.begun

move_old_state_away() {
  local old log_dir
  [[ -z $(running_nodes) ]] || fail 6 "--fresh: the system runs; scripts/stop_all.sh first"
  db_stop
  old=$RUN/old-$(date -u +%Y%m%dT%H%M%SZ)
  log_dir=$(setting log.dir commandlog)
  case $log_dir in /*) ;; *) log_dir=$RUN/$log_dir ;; esac
  if [[ -e $FRESH_BEGUN ]]; then
    rm -rf -- "$log_dir" "$DB_DIR"
    rm -f "$RUN/db.password"
    step fresh "what the last start had begun is removed"
  elif [[ -e $log_dir || -e $DB_DIR ]]; then
    mkdir "$old"
    : >"$FRESH_BEGUN"
    if [[ -e $log_dir ]]; then mv "$log_dir" "$old/commandlog"; fi
    if [[ -e $DB_DIR ]]; then mv "$DB_DIR" "$old/db"; fi
    rm -f "$RUN/db.password"
    step fresh "the old log and database are in $old"
    MOVED_STATE=$old
  fi
}

# Nodes that run keep the program that they were started with, whatever is built; all of them change
# to the new one together.
build_if_needed() {
  if [[ -z ${STAMPEDE_BIN:-} ]] && ! is_installed; then build_project stampede; fi
  [[ -x $STAMPEDE ]] || fail 1 "$STAMPEDE is missing"
  step build "$STAMPEDE"
}

start_database() {
  if uses_private_db; then
    db_start
    step database "private, socket $DB_SOCKET"
  else
    step database "$(setting db.url)"
  fi
}

migrate() {
  local report line
  if uses_private_db; then
    (umask 077 && : >"$DB_DIR/admin.password")
    report=$(STAMPEDE_DB__URL="mysql://root@localhost/$DB_SCHEMA?socket=${DB_SOCKET//%/%25}" \
      STAMPEDE_DB__PASSWORD_FILE="$DB_DIR/admin.password" stampede migrate up) ||
      fail $? "the migration failed; the message above says why"
  else
    report=$(stampede migrate up) ||
      fail $? "the migration failed; the message above says why (the user of --db must be allowed \
to CREATE and ALTER tables, and to CREATE VIEW)"
  fi
  while read -r line; do
    step migrate "$line"
  done < <(grep '^mended: ' <<<"$report" || true; tail -n 1 <<<"$report")
}

# count_of ROLE: as asked for, 1 when it was not named.
count_of() { if [[ ,$nodes, =~ ,$1=([0-9]+), ]]; then echo "${BASH_REMATCH[1]}"; else echo 1; fi; }

# Where the supervisor's HTTP is: status has no key to ask for, so it stays on this host.
health_host() {
  local bind
  bind=$(setting net.bind 127.0.0.1)
  if [[ $bind == 127.* ]]; then echo "$bind"; else echo 127.0.0.1; fi
}

check_port() { # HOST PORT...: of net.bind and net.port_base
  local busy
  busy=$(busy_port "$@")
  [[ -z $busy ]] || fail 6 "port $busy on $1 is taken by another program; choose other ones: \
STAMPEDE_NET__PORT_BASE=7300 scripts/start_all.sh"
}

check_ports() {
  local http host base bind ports=() k busy
  http=$(setting webapp.http 127.0.0.1:8080)
  base=$(setting net.port_base 7100)
  bind=$(setting net.bind 127.0.0.1)
  host=${http%:*}
  for ((k = 0; k < $(count_of webapp); ++k)); do
    busy=$(busy_port "$host" "$((${http##*:} + 100 * k))")
    [[ -z $busy ]] || fail 6 "port $busy on $host is taken by another program; choose another one: \
STAMPEDE_WEBAPP__HTTP=127.0.0.1:8090 scripts/start_all.sh"
    ports+=("$((base + 1 + 100 * k))" "$((base + 2 + 100 * k))")
  done
  if [[ $(setting net.mode ipc) == tcp ]]; then
    ports+=("$((base + 11))" "$((base + 12))" "$((base + 13))" "$((base + 14))")
    ports+=("$((base + 20))" "$((base + 21))")
  fi
  check_port "$(health_host)" "$base"
  check_port "$bind" "${ports[@]}"
}

nodes_wanted() {
  echo "webapp=$(count_of webapp),broker=$(count_of broker),backend=$(count_of backend)"
}

# The same of the system that runs.
nodes_running() {
  stampede --json status | python -c '
import collections, json, sys
count = collections.Counter(node["role"] for node in json.load(sys.stdin)["nodes"])
print(",".join(f"{role}={count[role]}" for role in ("webapp", "broker", "backend")))'
}

# Nodes that an operator has stopped.
start_stopped_nodes() {
  local node
  while read -r node; do
    stampede start "$node" >/dev/null || fail 1 "$node was not started; the message above says why"
    step nodes "$node was stopped, and starts"
  done < <(stampede --json status 2>/dev/null | python -c '
import json, sys
try:
    nodes = json.load(sys.stdin).get("nodes", [])
except ValueError:
    nodes = []
for node in nodes:
    if node.get("state") == "stopped":
        print(node["node"])')
}

# What runs goes on as this program, with as many nodes as asked for.
change_nodes() {
  local said
  said=$(stampede upgrade --binary "$STAMPEDE" --wait "${wait_s}s") ||
    fail $? "the running system was not upgraded; the message above says why"
  step program "$said"
  if [[ -z $nodes ]]; then return; fi
  said=$(stampede nodes "$nodes" --wait "${wait_s}s") ||
    fail $? "--nodes: the message above says why not"
  step nodes "$said"
}

forget_variables() {
  local name
  for name in "${!STAMPEDE_@}"; do
    if [[ $name == *__* || $name == STAMPEDE_DEV ]]; then unset "$name"; fi
  done
}

# start_guard NODES: adopts a supervisor that has lost its guard, else starts one.
start_guard() {
  # What the environment said is in the file by now: there it can be changed while the system runs.
  (
    forget_variables
    exec setsid "$STAMPEDE" --run-dir "$RUN" supervisor --guard --nodes "$1"
  ) </dev/null >>"$RUN/log/supervisor.log" 2>&1 9>&- &
  remember_process "$RUN/guard.pid" $!
  disown
}

# Whoever started the supervisor by hand wanted no guard: none has left its note.
replace_guard() {
  local nodes
  if [[ -n $(guard_pid) || ! -e $RUN/guard.pid ]]; then return; fi
  nodes=$(nodes_running) || fail 1 "the supervisor does not say which nodes run"
  start_guard "$nodes"
  step guard "it had ended; another one looks after the supervisor"
}

start_nodes() {
  if is_running; then
    replace_guard
    start_stopped_nodes
    step nodes "already running (see scripts/status.sh)"
    WAS_RUNNING=true
    return
  fi
  mkdir -p "$RUN/log"
  STARTED_NODES=true
  start_guard "$(nodes_wanted)"
}

# nodes_given_up: one line for each node that waits for the operator (exit 65, 75, 78).
nodes_given_up() {
  stampede --json status 2>/dev/null | python -c '
import json, sys
try:
    nodes = json.load(sys.stdin).get("nodes", [])
except ValueError:
    nodes = []
for node in nodes:
    if node.get("state") == "waiting_operator":
        print(node.get("node"), "ended:", node.get("last_exit"))' || true
}

# drained: every node is ready, and an operator has orders refused.
drained() {
  stampede --json status 2>/dev/null | python -c '
import json, sys
try:
    status = json.load(sys.stdin)
    ready = all(node["state"] == "ready" for node in status["nodes"])
except (ValueError, KeyError):
    sys.exit(1)
sys.exit(0 if ready and status.get("drained_at") else 1)'
}

wait_until_ready() {
  local until=$((SECONDS + wait_s)) given_up running
  until stampede health --wait 1s >/dev/null 2>&1; do
    if drained; then
      say "orders are refused: the system was drained; stampede undrain ends that"
      break
    fi
    if ! is_running; then
      tail -n 15 "$RUN/log/supervisor.log" >&2 || true
      fail 1 "the supervisor ended; $RUN/log/supervisor.log says why"
    fi
    given_up=$(nodes_given_up)
    if [[ -n $given_up ]]; then
      say "$given_up"
      tail -n 5 "$RUN/log/${given_up%% *}.log" >&2 || true
      KEEP="the nodes are left as they are for you to look at"
      fail 1 "a node needs you; see scripts/status.sh and $RUN/log/"
    fi
    if ((SECONDS >= until)); then
      stampede status >&2 || true
      KEEP="the nodes are left to go on"
      fail 3 "not ready after $wait_s s; it may still be replaying: scripts/status.sh shows it"
    fi
    sleep 0.1
  done
  running=$(nodes_running) || fail 1 "the supervisor says no more which nodes run"
  step nodes "ready: $running"
}

# known_item ID: "NAME<tab>LEFT of TOTAL" when it is there.
known_item() {
  stampede --json item list | python -c '
import json, re, sys
for row in json.load(sys.stdin)["items"]:
    if str(row["item"]) == sys.argv[1]:
        name = re.sub("[\0-\x1f\x7f-\x9f]", lambda hit: f"\\u{ord(hit[0]):04x}", row["name"])
        print(name, "{left} of {total} units left".format(**row), sep="\t")' "$1"
}

# decimal DIGITS: without leading zeros. The tool that is given it looks at its size.
decimal() {
  local digits=$1
  while [[ $digits == 0?* ]]; do digits=${digits#0}; done
  echo "$digits"
}

# An item that is there keeps its stock and its name, whatever became of them in the sale.
add_items() {
  local item id name stock known
  for item in "${items[@]}"; do
    id=$(decimal "${item%%:*}")
    stock=$(decimal "${item##*:}")
    name=${item#*:}
    name=${name%:*}
    known=$(known_item "$id") || fail 1 "the items cannot be read; the message above says why"
    if [[ -z $known ]]; then
      stampede item add "$id" --name "$name" --stock "$stock" >/dev/null ||
        fail 1 "item $id was not added; the message above says why"
      step item "$id $name, $stock units"
    elif [[ ${known%%$'\t'*} == "$name" ]]; then
      step item "$id $name is there, ${known#*$'\t'}"
    else
      step item "$id is there as '${known%%$'\t'*}' and stays so, ${known#*$'\t'}"
    fi
  done
}

print_addresses() {
  local http base bind who reach="loopback only" here=scripts
  if is_installed; then here=$PROJECT/scripts; fi
  http=$(setting webapp.http 127.0.0.1:8080)
  base=$(setting net.port_base 7100)
  bind=$(setting net.bind 127.0.0.1)
  who="no login: whoever can connect can buy as anyone."
  # The supervisor makes it where sessions are asked for, and only there.
  if [[ -e $RUN/service.token ]]; then who="orders need a session token (auth.mode)."; fi
  if [[ $bind != 127.* ]]; then
    reach="HTTP on loopback only, ZeroMQ on $bind for the keys of curve.allow_file"
  fi
  cat <<TEXT

stampede api      http://$http/v1/items
stampede zmq      tcp://$bind:$((base + 1))   (news $((base + 2)))
stampede health   http://$(health_host):$base/readyz
$reach, $who
Next: $here/demo.sh   Look: $here/status.sh, $here/sql.sh   Stop: $here/stop_all.sh
TEXT
}

check_wishes
trust_run_dir
if is_installed; then deps=(--run); else deps=(); fi
"$PROJECT/scripts/install_deps.sh" "${deps[@]}" >&2
umask 077
lock_scripts
# shellcheck source=scripts/parts/private_db.sh
source "$PROJECT/scripts/parts/private_db.sh"
trap take_back EXIT
trap 'exit 129' HUP
# Who reads no more (`| head -1`): the next line fails, and the start with it. Programs that are
# started meet the signal as usual.
trap : PIPE
trap 'exit 130' INT
trap 'exit 143' TERM
build_if_needed
check_settings
# They were named, once.
if [[ -n $(running_nodes) ]]; then forget_variables; fi
if $fresh && ! $private_db && [[ -n $(setting db.url) ]]; then
  fail 6 "--fresh is refused: this system uses $(setting db.url), which is not ours to move; \
take another STAMPEDE_RUN_DIR"
fi
# Nodes whose supervisor died keep serving, with what was accepted; the new one adopts them.
if is_running || [[ -n $(running_nodes) ]]; then
  if $fresh; then fail 6 "--fresh: the system runs; scripts/stop_all.sh first"; fi
  check_running_database
else
  if ! $db_only; then check_ports; fi
  if $fresh; then move_old_state_away; fi
  write_settings
fi
start_database
migrate
if ! $db_only; then
  start_nodes
  wait_until_ready
  if $WAS_RUNNING; then change_nodes; fi
  add_items
  print_addresses
fi
rm -f "$FRESH_BEGUN"
if [[ -n ${MOVED_STATE:-} ]]; then remove_older_states "$MOVED_STATE"; fi
FINISHED=true
rm -f "$RUN/stampede.toml.before"
