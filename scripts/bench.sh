#!/bin/bash -p
# The published benchmark: Stampede and its peers in turns on this machine, ratios with their goals.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--rounds N] [--quick] [--only LIST] [--items N] [--ids N] [--seed N]
                        [--out FILE]
Measures Stampede against what else could sell the same, one after the other in every round, so that
noise hits all alike; only ratios inside one run mean something, absolute figures are orientation.
  P1  durable answers a second, half of the orders accepted, the database stopped for the point;
      against Redis: a Lua script, appendfsync always, 2 connections with 1000 calls in a pipeline
  P2  the same in messages of 64 orders; against Redis with 256 orders in a call
  P3  end to end until the last row is in MariaDB, one item and 10,000 items; against Redis and
      NATS JetStream with a worker that drains into the same tables of the same server, and against
      a stored procedure in MariaDB alone
  P4  rows a second when the database comes back to a backlog, the stock kept exactly; against two
      connections that only insert such rows
  P5  rows a second while orders are accepted at full speed; against the same
  P6  CPU seconds of all processes for 100,000 orders, accepting and end to end; against Redis
  P7  latency of one order in flight; against a bare chain of ZeroMQ sockets and one fdatasync, and
      against Redis, which has one hop
  P8  99th percentile with 2000 orders open; against Redis with its 2000
  P9  300,000 orders over 300 HTTP connections in the form of artemis-disruptor-miaosha; against the
      figure that it publishes
  P10 a killed backend with 1,000,000 orders that the database does not have: until it serves
  P11 P1 with 1,000,000 items and 10,000,000 remembered request ids; against one item and none
  P12 2,000,000 requests for one unit; against the load of P1 on a system beside it, in turns
  P13 P1 in a promo with a limit, a time to pay and a ticket for each order, which is asked for
      before and counts by itself; against the load of P1 on a system beside it, in turns
Every round starts with empty private systems, databases and peers in a temporary directory (TMPDIR
chooses the disk; P11 needs 6 GB) and ends with `verify`. A peer that is not installed is named as
missing: scripts/install_deps.sh --bench installs what Debian has.
  --rounds N   default 5; the published figures are medians of at least 5
  --quick      one round of small points: shows that everything runs, its figures mean little
  --only LIST  of P1 … P13, for instance P1,P8
  --items N    items of P11 (default 1,000,000, quick 20,000)
  --ids N      request ids that P11 makes first (default 10,000,000, quick 100,000)
  --seed N     of the orders (default 1)
  --out FILE   the result as JSON (default bench-<time>.json in the run directory);
               scripts/bench/bench_plot.py draws it
Run it on an otherwise idle machine. A round takes about two minutes.
Exit: 0 measured and verified, 1 failure, 2 wrong use, 4 a check found a violation, 5 timed out.
TEXT
}

rounds=5
quick=false
only=P1,P2,P3,P4,P5,P6,P7,P8,P9,P10,P11,P12,P13
seed=1
items=
ids=
out=
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --rounds) need_value "$1" $#; rounds=$2; shift 2 ;;
    --quick) quick=true; shift ;;
    --only) need_value "$1" $#; only=$2; shift 2 ;;
    --seed) need_value "$1" $#; seed=$2; shift 2 ;;
    --items) need_value "$1" $#; items=$2; shift 2 ;;
    --ids) need_value "$1" $#; ids=$2; shift 2 ;;
    --out) need_value "$1" $#; out=$(realpath -m -- "$2"); shift 2 ;;
    *) wrong_use "$1" ;;
  esac
done
[[ $rounds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || fail 2 "--rounds and --seed are numbers"
[[ ${items:-1},${ids:-1} =~ ^[1-9][0-9]*,[1-9][0-9]*$ ]] ||
  fail 2 "--items and --ids are numbers from 1 on"
[[ $only =~ ^P([1-9]|1[0-3])(,P([1-9]|1[0-3]))*$ ]] ||
  fail 2 "--only '$only' is no list of P1 to P13 with commas"

# Orders of each point; throughput points shall last two seconds at least.
answers=2000000 redis_answers=500000 batched=5000000 redis_batched=800000
stored=200000 direct_hot=20000 direct_uniform=40000 many_items=10000
backlog=500000 single=3000 saturated=800000 http=300000 flood=2000000
owed=1000000 growth_items=1000000 growth_ids=10000000 growth_piece=500000 growth_orders=2000000
if $quick; then
  rounds=1
  answers=100000 redis_answers=50000 batched=200000 redis_batched=100000
  stored=20000 direct_hot=1000 direct_uniform=2000 many_items=1000
  backlog=20000 single=300 saturated=50000 http=10000 flood=50000
  owed=50000 growth_items=20000 growth_ids=100000 growth_piece=50000 growth_orders=50000
fi
growth_items=${items:-$growth_items} growth_ids=${ids:-$growth_ids}
window=8192 pieces=8

# --- what there is -------------------------------------------------------------------------------

declare -A missing=([tigerbeetle]="no Debian package")
declare -A port_base_of=()

find_peers() {
  local install="scripts/install_deps.sh --bench"
  command -v redis-server >/dev/null || missing[redis]="redis-server: $install"
  nats_server >/dev/null && [[ -x $peers/nats_peer ]] ||
    missing[nats]="nats-server or libnats-dev: $install"
  [[ -x $peers/mariadb_peer ]] || missing[mariadb]="libmariadb-dev: $install"
  command -v wrk >/dev/null || missing[wrk]="wrk: scripts/install_deps.sh"
}

build_all() {
  peers=$BUILD/bin
  # What install_deps.sh --bench brought since the last configuring is looked for again.
  if [[ -f $BUILD/CMakeCache.txt ]]; then cmake -S "$PROJECT" -B "$BUILD" >/dev/null; fi
  if [[ -z ${STAMPEDE_BIN:-} ]]; then build_project stampede; fi
  build_project bench_peers
}

# " NAME=VERSION", nothing for a package that is not there.
package_version() {
  local version
  version=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || return 0
  printf ' %s=%s' "$1" "$version"
}

versions() {
  local package
  for package in mariadb-server-core redis-server nats-server wrk libzmq5 libcaf-dev \
    libmsgpack-cxx-dev libmysqlcppconn7v5 libmariadb3 libnats3.4 libisal2 g++; do
    package_version "$package"
  done
}

out=${out:-$RUN/bench-$(date -u +%Y%m%dT%H%M%SZ).json}
mkdir -p "$(dirname "$out")"
build_all
scratch=$(mktemp -d "${TMPDIR:-/tmp}/bench-XXXXXX")
points=$scratch/points.jsonl
: >"$points"
mkdir "$scratch/hdr"
# shellcheck source=scripts/bench/servers.sh
source "$PROJECT/scripts/bench/servers.sh"
# shellcheck source=scripts/bench/points.sh
source "$PROJECT/scripts/bench/points.sh"
# shellcheck source=scripts/bench/growth.sh
source "$PROJECT/scripts/bench/growth.sh"
worst=0

# shellcheck disable=SC2317  # called by the trap
clean_up() {
  stop_everything
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- the run -------------------------------------------------------------------------------------

# Large tables come last: they make everything after them slower.
measure_round() {
  if wanted P10 P11; then measure_fresh; fi
  if wanted P4; then measure_p4_uniform; fi
  if wanted P12; then measure_p12; fi
  if wanted P13; then measure_p13; fi
  if wanted P1 P6 P8; then measure_accepting; fi
  if wanted P2; then measure_p2; fi
  if wanted P1 P3 P4 P5 P6 P7 P9; then
    start_system sale "$many_items" $((stored / 2 / many_items))
    if wanted P7; then measure_p7; fi
    if wanted P3; then measure_p3_uniform; fi
    if wanted P1 P3 P6; then measure_p3_hot; fi
    if wanted P6; then measure_p6; fi
    if wanted P4; then measure_p4; fi
    if wanted P5; then measure_p5; fi
    if wanted P9; then measure_p9; fi
    stop_system sale
  fi
  if wanted P11; then measure_grown; fi
}

find_peers
for name in "${!missing[@]}"; do say "missing: $name (${missing[$name]})"; done
if wanted P11; then
  round=0
  fill_grown
fi
for ((round = 1; round <= rounds; ++round)); do
  say "round $round of $rounds, load $(cut -d' ' -f1-3 /proc/loadavg)"
  measure_round
done

about=("commit=$(git -C "$PROJECT" describe --always --dirty 2>/dev/null || echo unknown)"
  "seed=$seed" "rounds=$rounds" "quick=$quick" "only=$only" "window=$window"
  "growth_items=$growth_items" "growth_ids=$growth_ids")
for name in "${!missing[@]}"; do about+=("missing.$name=${missing[$name]}"); done
for name in $(versions); do about+=("version.$name"); done
python "$PROJECT/scripts/bench/bench_table.py" table "$points" "$out" "$scratch" \
  "${about[@]}"
say "written: $out"
exit "$worst"
