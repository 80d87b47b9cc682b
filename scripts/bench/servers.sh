# The private servers of scripts/bench.sh: sourced, never run. Every peer listens on a unix socket,
# or on loopback where it knows no other; all their files lie in $scratch.
# shellcheck shell=bash disable=SC2154,SC2034  # names of scripts/bench.sh

redis_pid=
redis_started=
nats_pid=
nats_started=

# end_server PID START: asked first, then made to.
end_server() {
  [[ -n $1 ]] || return 0
  end_process TERM "$1" "$2"
  wait_for_end 10 "$1" "$2" || end_process KILL "$1" "$2"
}

stop_redis() {
  end_server "$redis_pid" "$redis_started"
  redis_pid=
}

start_redis() {
  local until=$((SECONDS + 30))
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

stop_nats() {
  end_server "$nats_pid" "$nats_started"
  nats_pid=
}

nats_server() { PATH=$PATH:/usr/sbin command -v nats-server; }

# start_nats: an empty file store. Sets nats_port.
start_nats() {
  local until=$((SECONDS + 30))
  nats_port=$(free_port_base)
  rm -rf "$scratch/nats"
  mkdir "$scratch/nats"
  "$(nats_server)" --addr 127.0.0.1 --port "$nats_port" --jetstream \
    --store_dir "$scratch/nats/store" >"$scratch/nats/log" 2>&1 &
  nats_pid=$!
  nats_started=$(start_time "$nats_pid")
  until grep -q 'Server is ready' "$scratch/nats/log"; do
    ((SECONDS < until)) || fail 5 "NATS does not start: $(tail -n 3 "$scratch/nats/log")"
    sleep 0.05
  done
}

# --- Stampede ------------------------------------------------------------------------------------

systems=()

# use_ports BASE
use_ports() {
  base=$1
  http_address=127.0.0.1:$((base + 50))
  export STAMPEDE_NET__PORT_BASE=$base STAMPEDE_WEBAPP__HTTP=$http_address
}

# use_system NAME: the run directory, ports and database that the functions below speak of.
use_system() {
  if [[ -n ${port_base_of["$1"]:-} ]]; then use_ports "${port_base_of["$1"]}"; fi
  use_run_dir "$scratch/$1"
  # shellcheck source=scripts/parts/private_db.sh
  source "$PROJECT/scripts/parts/private_db.sh"
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

# start_system NAME ITEMS AMOUNT: empty but for the items. They come out of the database, which a
# first start takes over. The peers have the same tables in a schema of their own.
start_system() {
  local items=$2 amount=$3
  use_system "$1"
  systems+=("$1")
  rm -rf "$RUN"
  mkdir -m 700 "$RUN"
  db_start
  migrate
  sql "INSERT INTO $DB_SCHEMA.item(id,name,total,amount)
       SELECT seq,'Phone',$amount,$amount FROM seq_1_to_$items; CREATE DATABASE peer;
       CREATE TABLE peer.orders LIKE $DB_SCHEMA.orders; CREATE TABLE peer.item LIKE $DB_SCHEMA.item"
  start_nodes "$1"
}

# Free ports can be taken by somebody else before the nodes have them: then others.
start_nodes() {
  local try
  for try in 1 2 3; do
    port_base_of["$1"]=$(free_port_base)
    use_ports "${port_base_of["$1"]}"
    if "$PROJECT/scripts/start_all.sh" --wait 300 >"$scratch/start.txt" 2>&1; then
      return
    fi
    grep -q 'is taken by another program' "$scratch/start.txt" || break
  done
  cat "$scratch/start.txt" >&2
  fail 1 "the private system did not start, try $try"
}

# stop_system NAME: and throw away what it has; the disk's part of that does not fall into the next
# point.
stop_system() {
  use_system "$1"
  if [[ -n $(db_pid) ]]; then kill -CONT "$(db_pid)"; fi
  "$PROJECT/scripts/stop_all.sh" --now >/dev/null ||
    fail 1 "the system in $RUN could not be stopped, and would disturb what is measured next"
  rm -rf "$RUN"
  sync -f "$scratch"
}

stop_everything() {
  local name
  stop_redis
  stop_nats
  for name in "${systems[@]}"; do
    if [[ -d $scratch/$name ]]; then stop_system "$name"; fi
  done
}

peer_db() { printf 'mysql://root@localhost/peer?socket=%s' "$DB_SOCKET"; }

# set_left N: item 1 has exactly N units.
set_left() {
  local left
  left=$(curl -fsS "http://$http_address/v1/items/1" | sed 's/.*"left":\([0-9]*\).*/\1/')
  if (($1 != left)); then
    stampede item stock 1 "$(printf '%+d' $(($1 - left)))" >/dev/null
  fi
}

wait_until_stored() { stampede verify --wait 300s >/dev/null || worst=4; }

backend_pid() { running_nodes | awk '$1 == "backend-1" { print $2 }'; }

resident_bytes() { echo $((1024 * $(awk '/VmRSS/ { print $2 }' "/proc/$1/status"))); }

# wait_for_memory [LOOKS]: the backend has made the memory of coming orders, as it has before a sale
# begins (backend.orders_ahead_max): it was the same for so many looks (1), five a second.
wait_for_memory() {
  local pid before=0 now same=0 until=$((SECONDS + 60))
  pid=$(backend_pid)
  while ((same < ${1:-1} && SECONDS < until)); do
    now=$(resident_bytes "$pid")
    if ((now - before > 1000000)); then same=0; else same=$((same + 1)); fi
    before=$now
    sleep 0.2
  done
}

pending() {
  stampede --json status | python -c \
    'import json, sys; print(json.load(sys.stdin)["log"]["pending_commands"])'
}

# cpu_options: every process of the system, for measure.py.
cpu_options() {
  local name pid
  while read -r name pid _; do printf -- '--cpu\n%s=%s\n' "$name" "$pid"; done < <(running_nodes)
  printf -- '--cpu\ndatabase=%s\n' "$(db_pid)"
}
