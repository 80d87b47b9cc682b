#!/usr/bin/env bash
# The published benchmark: Stampede and its peers in turns on this machine, ratios with their goals.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--rounds N] [--quick] [--only LIST] [--seed N] [--out FILE]
Measures Stampede against what else could sell the same, one after the other in every round, so that
noise hits all alike; only ratios inside one run mean something, absolute figures are orientation.
  P1  durable answers a second, half of the orders accepted, the database stopped for the point;
      against Redis: a Lua script, appendfsync always, 2 connections with 1000 calls in a pipeline
  P3  end to end until the last row is in MariaDB, one item and 10,000 items; against Redis and a
      worker that drains its stream into the same tables of the same server
  P7  latency of one order in flight; against a bare chain of ZeroMQ sockets and one fdatasync
  P8  99th percentile with 2000 orders open; against Redis with its 2000
  P9  300,000 orders over 300 HTTP connections in the form of artemis-disruptor-miaosha; against the
      figure that it publishes
Every round starts with an empty private system, database and Redis in a temporary directory (TMPDIR
chooses the disk) and ends with `verify`. A peer that is not installed is named as missing:
scripts/install_deps.sh --bench installs them.
  --rounds N   default 5; the published figures are medians of at least 5
  --quick      one round of small points: shows that everything runs, its figures mean little
  --only LIST  of P1,P3,P7,P8,P9
  --seed N     of the orders (default 1)
  --out FILE   the result as JSON (default bench-<time>.json in the run directory)
Run it on an otherwise idle machine. A round takes about a minute.
Exit: 0 measured and verified, 1 failure, 2 wrong use, 4 a check found a violation.
TEXT
}

rounds=5
quick=false
only=P1,P3,P7,P8,P9
seed=1
out=
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --rounds) need_value "$1" $#; rounds=$2; shift 2 ;;
    --quick) quick=true; shift ;;
    --only) need_value "$1" $#; only=$2; shift 2 ;;
    --seed) need_value "$1" $#; seed=$2; shift 2 ;;
    --out) need_value "$1" $#; out=$(realpath -m -- "$2"); shift 2 ;;
    *) wrong_use "$1" ;;
  esac
done
[[ $rounds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || fail 2 "--rounds and --seed are numbers"
[[ $only =~ ^P[13789](,P[13789])*$ ]] || fail 2 "--only '$only' is no list of P1,P3,P7,P8,P9"
if $quick; then rounds=1; fi

# Orders of each point; throughput points shall last two seconds at least.
answers=1600000 redis_answers=500000 stored=200000 single=3000 saturated=800000 http=300000
if $quick; then
  answers=200000 redis_answers=100000 stored=40000 single=500 saturated=100000 http=30000
fi
many_items=10000
window=8192
if $quick; then many_items=1000; fi

out=${out:-$RUN/bench-$(date -u +%Y%m%dT%H%M%SZ).json}
mkdir -p "$(dirname "$out")"
peers=$BUILD/bin
if [[ -n ${STAMPEDE_BIN:-} ]]; then peers=$(dirname "$STAMPEDE"); fi
if [[ -z ${STAMPEDE_BIN:-} ]]; then build_project stampede; fi
if [[ ! -x $peers/redis_peer || ! -x $peers/raw_chain ]]; then
  peers=$BUILD/bin
  build_project bench_peers
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/stampede-bench.XXXXXX")
points=$scratch/points.jsonl
: >"$points"
use_run_dir "$scratch/run"
# shellcheck source=scripts/private_db.sh
source "$PROJECT/scripts/private_db.sh"
worst=0
redis_pid=
redis_started=

# --- private servers -----------------------------------------------------------------------------

pause_database() { kill "-$1" "$(db_pid)"; }

stop_redis() {
  if [[ -n $redis_pid ]]; then
    end_process TERM "$redis_pid" "$redis_started"
    wait_for_end 10 "$redis_pid" "$redis_started" || end_process KILL "$redis_pid" "$redis_started"
  fi
  redis_pid=
}

start_redis() {
  local until=$((SECONDS + 10))
  rm -rf "$scratch/redis"
  mkdir "$scratch/redis"
  redis-server --port 0 --unixsocket "$scratch/redis/socket" --dir "$scratch/redis" --save '' \
    --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0 --daemonize no \
    >"$scratch/redis/log" 2>&1 &
  redis_pid=$!
  redis_started=$(start_time "$redis_pid")
  until [[ -S $scratch/redis/socket ]]; do
    ((SECONDS < until)) || fail 5 "Redis does not start: $(tail -n 3 "$scratch/redis/log")"
    sleep 0.05
  done
}

# An SQL statement of the benchmark's own, as the database's root.
sql() {
  "$(db_program mariadb)" --no-defaults --user=root --socket="$DB_SOCKET" -N -B -D "$DB_SCHEMA" \
    -e "$1"
}

migrate() {
  (umask 077 && : >"$DB_DIR/admin.password")
  STAMPEDE_DB__URL="mysql://root@localhost/$DB_SCHEMA?socket=$DB_SOCKET" \
    STAMPEDE_DB__PASSWORD_FILE="$DB_DIR/admin.password" stampede migrate up >/dev/null
}

# The items come out of the database, which a first start takes over.
start_system() {
  rm -rf "$RUN"
  mkdir -m 700 "$RUN"
  db_start
  migrate
  sql "INSERT INTO $DB_SCHEMA.item(id,name,total,amount)
       SELECT seq,'Phone',$((stored / 2 / many_items)),$((stored / 2 / many_items))
       FROM seq_1_to_$many_items; CREATE DATABASE peer;
       CREATE TABLE peer.orders LIKE $DB_SCHEMA.orders; CREATE TABLE peer.item LIKE $DB_SCHEMA.item"
  "$PROJECT/scripts/start_all.sh" >"$scratch/start.txt" 2>&1 || {
    cat "$scratch/start.txt" >&2
    fail 1 "the private system did not start"
  }
}

stop_system() {
  if [[ -n $(db_pid) ]]; then pause_database CONT; fi
  "$PROJECT/scripts/stop_all.sh" --now >/dev/null || true
}

# shellcheck disable=SC2317  # called by the trap
clean_up() {
  stop_redis
  stop_system
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- points --------------------------------------------------------------------------------------

wanted() { [[ ,$only, == *,$1,* ]]; }

# record POINT SIDE COMMAND...: its JSON becomes a line of points.jsonl. Bounded in time.
record() {
  local point=$1 side=$2 status=0 json
  shift 2
  json=$(timeout 300 "$@" 2>"$scratch/stderr.txt") || status=$?
  if [[ -z $json ]]; then
    tail -n 3 "$scratch/stderr.txt" >&2
    json=null
  fi
  if ((status > worst)); then worst=$status; fi
  if ((status)); then say "round $round $point $side: exit $status"; fi
  printf '{"round":%s,"point":"%s","side":"%s","exit":%s,"result":%s}\n' \
    "$round" "$point" "$side" "$status" "$json" >>"$points"
}

# A seed of its own for every point, so that no request id comes twice.
ours() {
  local point=$1
  shift
  record "$point" stampede "$STAMPEDE" --run-dir "$RUN" --json bench --closed --seed "$seed" "$@"
}

redis() {
  local point=$1
  shift
  if ! $have_redis; then return; fi
  start_redis
  record "$point" redis "$peers/redis_peer" --redis "$scratch/redis/socket" "$@"
  stop_redis
}

# set_left N: item 1 has exactly N units.
set_left() {
  local left
  left=$(curl -fsS "http://$http_address/v1/items/1" | sed 's/.*"left":\([0-9]*\).*/\1/')
  if (($1 != left)); then
    stampede item stock 1 "$(printf '%+d' $(($1 - left)))" >/dev/null
  fi
}

wait_until_stored() { stampede verify --wait 120s >/dev/null || worst=4; }

measure_p3() {
  local peer_db="mysql://root@localhost/peer?socket=$DB_SOCKET"
  set_left $((stored / 2 / many_items))
  ours P3-uniform --window "$window" --requests "$stored" --items "$many_items"
  redis P3-uniform --requests "$stored" --items "$many_items" --db "$peer_db"
  set_left $((stored / 2))
  ours P3-hot --window "$window" --requests "$stored"
  redis P3-hot --requests "$stored" --db "$peer_db"
}

# The disk's speed changes from minute to minute: the chain is measured on both sides of ours.
measure_p7() {
  mkdir -p "$scratch/chain"
  record P7 chain "$peers/raw_chain" "$scratch/chain" "$single"
  set_left "$single"
  ours P7 --window 1 --requests "$single" --no-drain
  record P7 chain-again "$peers/raw_chain" "$scratch/chain" "$single"
  wait_until_stored
}

# Without its worker Redis writes no database, so ours is stopped, too.
without_database() {
  local point=$1 count=$2
  shift 2
  set_left $((count / 2))
  pause_database STOP
  ours "$point" --requests "$count" --no-drain "$@"
  pause_database CONT
  wait_until_stored
}

measure_p1_p8() {
  if wanted P1; then without_database P1 "$answers" --window "$window"; fi
  if wanted P8; then without_database P8 "$saturated" --window 2000; fi
  redis P1 --requests "$redis_answers"
}

measure_p9() {
  local before after stored_us
  if ! $have_wrk; then return; fi
  set_left "$http"
  before=$(sql "SELECT COUNT(*) FROM $DB_SCHEMA.orders")
  MIAOSHA_ORDERS=$http MIAOSHA_FILE=$scratch/p9.txt timeout 300 \
    wrk -t1 -c300 -d120s --timeout 30s -s "$PROJECT/test/bench/miaosha.lua" \
    "http://$http_address/miaosha/order" >"$scratch/wrk.txt" || worst=1
  if [[ ! -s $scratch/p9.txt ]]; then
    cat "$scratch/wrk.txt" >&2
    say "round $round P9: wrk did not get all its answers"
    worst=1
    return
  fi
  until [[ $(pending) == 0 ]]; do sleep 0.05; done
  stored_us=$(($(date +%s%N) / 1000))
  after=$(sql "SELECT COUNT(*) FROM $DB_SCHEMA.orders")
  /usr/bin/python3 "$PROJECT/scripts/bench_table.py" http "$points" "$scratch/p9.txt" \
    "$((after - before))" "$stored_us" "$round"
  wait_until_stored
}

pending() {
  stampede --json status | /usr/bin/python3 -c \
    'import json, sys; print(json.load(sys.stdin)["log"]["pending_commands"])'
}

# --- the run -------------------------------------------------------------------------------------

base=$(free_port_base)
http_address=127.0.0.1:$((base + 50))
export STAMPEDE_NET__PORT_BASE=$base STAMPEDE_WEBAPP__HTTP=$http_address
have_redis=true
have_wrk=true
command -v redis-server >/dev/null || { have_redis=false; say "redis-server is missing"; }
command -v wrk >/dev/null || { have_wrk=false; say "wrk is missing"; }

for ((round = 1; round <= rounds; ++round)); do
  say "round $round of $rounds, load $(cut -d' ' -f1-3 /proc/loadavg)"
  start_system
  if wanted P7; then measure_p7; fi
  if wanted P3; then measure_p3; fi
  if wanted P1 || wanted P8; then measure_p1_p8; fi
  if wanted P9; then measure_p9; fi
  stop_system
done

commit=$(git -C "$PROJECT" describe --always --dirty 2>/dev/null || echo unknown)
versions=$("$(db_program mariadbd)" --version | sed 's/.*Ver \([^ ]*\).*/mariadb=\1/')
if $have_redis; then versions+=" $(redis-server --version | sed 's/.*v=\([^ ]*\).*/redis=\1/')"; fi
if $have_wrk; then versions+=" $(wrk -v 2>&1 | sed -n 's/^wrk \([^ ]*\).*/wrk=\1/p' || true)"; fi
/usr/bin/python3 "$PROJECT/scripts/bench_table.py" table "$points" "$out" "commit=$commit" \
  "seed=$seed" "rounds=$rounds" "quick=$quick" "window=$window" "filesystem=$(df --output=fstype \
  "$scratch" | tail -n 1)" "$versions"
say "written: $out"
exit "$worst"
