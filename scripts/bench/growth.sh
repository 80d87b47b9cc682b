# P10 and P11 of scripts/bench.sh, each on systems of their own: sourced, never run.
# shellcheck shell=bash disable=SC2154,SC2034  # names of scripts/bench.sh

# P10 needs an empty system and a load that the database gets nothing of; P11 the memory of one.
measure_fresh() {
  local status=0
  start_system fresh 1 "$owed"
  wait_for_memory
  python "$PROJECT/scripts/bench/recovery.py" --points "$points" --round "$round" \
    --status "http://127.0.0.1:$base/status" --database "$(db_pid)" --log "$RUN/log/backend-1.log" \
    -- "$STAMPEDE" --run-dir "$RUN" --json bench --closed --seed "$seed" --window "$window" \
    --requests "$owed" --no-drain || status=$?
  if ((status)); then
    worst=$status
    say "round $round P10: exit $status"
  fi
  wait_until_stored
  stop_system fresh
}

# settled_bytes: resident memory of a backend that owes nothing, or of one that read the log anew if
# that is less: what was only needed on the way there does not count.
settled_bytes() {
  local old new grown restarted
  until [[ $(pending) == 0 ]]; do sleep 0.2; done
  wait_for_memory 10
  old=$(backend_pid)
  grown=$(resident_bytes "$old")
  kill -KILL "$old"
  until new=$(backend_pid) && [[ -n $new && $new != "$old" ]]; do sleep 0.1; done
  stampede health --wait 300s >/dev/null || fail 5 "the backend with many items did not come back"
  until [[ $(pending) == 0 ]]; do sleep 0.2; done
  wait_for_memory 10
  restarted=$(resident_bytes "$new")
  echo $((grown < restarted ? grown : restarted))
}

# Built once and kept for all rounds. The ids come in pieces, so that what the database is still
# owed does not count as memory of ids.
fill_grown() {
  local empty full sent=0
  say "P11: $growth_items items and $growth_ids request ids are being made"
  STAMPEDE_BACKEND__ORDERS_MAX=$((2 * (growth_items + growth_ids + growth_orders * rounds))) \
    start_system grown "$growth_items" "$((growth_ids + growth_orders * rounds))"
  empty=$(settled_bytes)
  while ((sent < growth_ids)); do
    stampede --json bench --closed --batch 64 --window 16384 --requests "$growth_piece" \
      --seed "$seed" --no-drain >/dev/null 2>"$scratch/fill.txt" || {
      tail -n 3 "$scratch/fill.txt" >&2
      fail 1 "the $growth_ids request ids could not be made"
    }
    sent=$((sent + growth_piece))
    until [[ $(pending) == 0 ]]; do sleep 0.2; done
  done
  full=$(settled_bytes)
  printf '{"round":1,"point":"P11","side":"memory","exit":0,"result":{"items":%s,"ids":%s,' \
    "$growth_items" "$sent" >>"$points"
  printf '"rss_items_bytes":%s,"rss_ids_bytes":%s}}\n' "$empty" "$full" >>"$points"
}

# accept_all POINT ITEMS: the load of both sides of P11.
accept_all() {
  ours "$1" --stopped "$(db_pid)" --rows "$DB_SOCKET" "$DB_SCHEMA" --stored -- --window "$window" \
    --requests "$growth_orders" --items "$2" --no-drain
}

# Not in turns: the snapshots of so many ids would fall into the other side's time.
measure_grown() {
  start_system one 1 "$growth_orders"
  accept_all P11-one 1
  stop_system one
  use_system grown
  accept_all P11 "$growth_items"
}
