# P1 to P9, P12 and P13 of scripts/bench.sh on a system of their own: sourced, never run.
# shellcheck shell=bash disable=SC2154,SC2034  # names of scripts/bench.sh

wanted() {
  local point
  for point in "$@"; do
    if [[ ,$only, == *,$point,* ]]; then return 0; fi
  done
  return 1
}

# measure POINT SIDE [OPTION...] -- COMMAND...: a line of points.jsonl. Bounded in time.
measure() {
  local point=$1 side=$2 status=0
  shift 2
  python "$PROJECT/scripts/bench/measure.py" --points "$points" --round "$round" \
    --point "$point" --side "$side" "$@" || status=$?
  if ((status > worst)); then worst=$status; fi
  if ((status)); then say "round $round $point $side: exit $status"; fi
}

# ours POINT [OPTION...] -- ARGUMENT...: stampede bench, every node's CPU beside it.
ours() {
  local point=$1 options=() cpu
  shift
  while [[ $1 != -- ]]; do options+=("$1"); shift; done
  shift
  wait_for_memory
  mapfile -t cpu < <(cpu_options)
  measure "$point" stampede "${cpu[@]}" "${options[@]}" -- "$STAMPEDE" --run-dir "$RUN" --json \
    bench --closed --seed "$seed" --hdr "$scratch/hdr/$point-$round" "$@"
}

# ours_without_database POINT COUNT LEFT ARGUMENT...: Redis alone writes no database, either.
ours_without_database() {
  local point=$1 count=$2 left=$3
  shift 3
  set_left "$left"
  ours "$point" --stopped "$(db_pid)" -- --requests "$count" --no-drain "$@"
  wait_until_stored
}

redis() {
  local point=$1
  shift
  if [[ -n ${missing[redis]:-} ]]; then return; fi
  start_redis
  measure "$point" redis -- "$peers/redis_peer" --redis "$scratch/redis/socket" \
    --servers "$redis_pid,$(db_pid)" "$@"
  stop_redis
}

nats() {
  local point=$1
  shift
  if [[ -n ${missing[nats]:-} ]]; then return; fi
  start_nats
  measure "$point" nats -- "$peers/nats_peer" --nats "nats://127.0.0.1:$nats_port" \
    --db "$(peer_db)" --servers "$nats_pid,$(db_pid)" "$@"
  stop_nats
}

mariadb_alone() {
  local point=$1
  shift
  if [[ -n ${missing[mariadb]:-} ]]; then return; fi
  measure "$point" mariadb -- "$peers/mariadb_peer" --socket "$DB_SOCKET" --schema peer \
    --db "$(peer_db)" --servers "$(db_pid)" "$@"
}

# --- points --------------------------------------------------------------------------------------

# Every way to end up with rows: on many items.
measure_p3_uniform() {
  set_left $((stored / 2 / many_items))
  ours P3-uniform -- --window "$window" --requests "$stored" --items "$many_items"
  redis P3-uniform --requests "$stored" --items "$many_items" --db "$(peer_db)"
  nats P3-uniform --requests "$stored" --items "$many_items"
  mariadb_alone P3-uniform --requests "$direct_uniform" --items "$many_items" --connections 16
}

# And on one. NATS and MariaDB answer for P1, too, Redis for P6.
measure_p3_hot() {
  if wanted P3; then
    set_left $((stored / 2))
    ours P3-hot -- --window "$window" --requests "$stored"
  fi
  if wanted P3 P6; then redis P3-hot --requests "$stored" --db "$(peer_db)"; fi
  if wanted P1 P3; then
    nats P3-hot --requests "$stored"
    mariadb_alone P3-hot --requests "$direct_hot" --connections 4
  fi
}

# The load of P3 once more: its CPU seconds until the last row is there, without any check.
measure_p6() {
  set_left $((stored / 2))
  ours P6 --rows "$DB_SOCKET" "$DB_SCHEMA" --stored -- --window "$window" --requests "$stored" \
    --no-drain
  wait_until_stored
}

# The disk's speed changes from minute to minute: the chain is measured on both sides of ours. Redis
# has one hop where ours has three: it is shown all the same. Every order is accepted, since Redis
# syncs nothing for a rejection.
measure_p7() {
  mkdir -p "$scratch/chain"
  measure P7 chain -- "$peers/raw_chain" "$scratch/chain" "$single"
  set_left "$single"
  ours P7 -- --window 1 --requests "$single" --no-drain
  measure P7 chain-again -- "$peers/raw_chain" "$scratch/chain" "$single"
  redis P7 --requests "$single" --stock "$single" --connections 1 --pipeline 1
  wait_until_stored
}

# in_turns ONE OTHER: each of them $pieces times (an even number), so that the machine's slow
# seconds meet both. Each offers one piece of its load; they count together.
in_turns() {
  local turn load
  for ((turn = 0; turn < pieces; turn += 2)); do
    for load in "$1" "$2" "$2" "$1"; do "$load"; done
  done
}

# Nobody asks twice: a webapp may turn him away.
sold_out_piece() {
  use_system flood
  ours_without_database P12 "$((flood / pieces))" "$units" --window "$window" --first
  units=0
}

half_accepted_piece() {
  use_system half
  ours_without_database "$beside" "$((flood / pieces))" "$((flood / pieces / 2))" \
    --window "$window"
}

# A promo of its own for each piece: nobody has a ticket of the one before. Half of the orders come
# when nothing is left, as in the load beside.
promo_piece() {
  use_system promo
  promo=$((promo + 1))
  stampede promo add "$promo" --item 1 --name Sale --price-cents 500 --starts now --ends +12h \
    --limit-per-user 2 --hold-s 86400 --ticket >/dev/null
  ours_without_database P13 "$((flood / pieces))" "$((flood / pieces / 2))" --window "$window" \
    --promo "$promo" --tickets
  stampede promo end "$promo" >/dev/null
}

# The load of P1 is offered beside it once more.
measure_p12() {
  local units=1 beside=P12-half
  start_system half 1 1
  start_system flood 1 1
  in_turns sold_out_piece half_accepted_piece
  stop_system flood
  stop_system half
}

measure_p13() {
  local promo=0 beside=P13-half
  start_system half 1 1
  start_system promo 1 1
  in_turns promo_piece half_accepted_piece
  stop_system promo
  stop_system half
}

# The points that only accept orders have systems of their own, empty as Redis is for each of its
# points; P11 tells what many ids cost. P1 answers for P6 and P8, too.
measure_accepting() {
  start_system accept 1 1
  if wanted P1 P6; then
    ours_without_database P1 "$answers" $((answers / 2)) --window "$window"
  fi
  if wanted P1 P6 P8; then redis P1 --requests "$redis_answers"; fi
  if wanted P8; then ours_without_database P8 "$saturated" $((saturated / 2)) --window 2000; fi
  stop_system accept
}

# Over the run directory's socket, as Redis over its own. Window of the batches: three quarters of
# what the broker lets through (broker.inflight_max).
measure_p2() {
  start_system batches 1 1
  ours_without_database P2 "$batched" $((batched / 2)) --batch 64 --window 49152 --via ipc
  redis P2 --requests "$redis_batched" --batch 256 --pipeline 8
  stop_system batches
}

ceiling() {
  measure "$1" ceiling -- "$peers/insert_ceiling" --db "$(peer_db)" --rows "$backlog" \
    --servers "$(db_pid)"
}

# drain_backlog POINT ARGUMENT...: all orders are taken while the database stands still; the time
# counts from when it goes on.
drain_backlog() {
  local point=$1
  shift
  ours "$point" --stopped "$(db_pid)" --rows "$DB_SOCKET" "$DB_SCHEMA" --stored -- \
    --window "$window" --requests "$backlog" --no-drain "$@"
  wait_until_stored
}

measure_p4() {
  ceiling P4
  set_left "$backlog"
  drain_backlog P4-hot
}

# Many items need stock that P3 must not have: a system of its own.
measure_p4_uniform() {
  start_system uniform "$many_items" "$backlog"
  drain_backlog P4-uniform --items "$many_items"
  stop_system uniform
}

measure_p5() {
  if ! wanted P4; then ceiling P4; fi
  set_left $((answers / 2))
  ours P5 --rows "$DB_SOCKET" "$DB_SCHEMA" -- --window "$window" --requests "$answers" --no-drain
  wait_until_stored
}

measure_p9() {
  local before after stored_us
  if [[ -n ${missing[wrk]:-} ]]; then return; fi
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
  python "$PROJECT/scripts/bench/bench_table.py" http "$points" "$scratch/p9.txt" \
    "$((after - before))" "$stored_us" "$round"
  rm "$scratch/p9.txt"
  wait_until_stored
}
