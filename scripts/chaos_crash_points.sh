#!/bin/bash -p
# Crashes the backend at every named point under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Crashes the backend at every point that 'stampede chaos list' names, one after the other, in
the middle of a sale: between taking, deciding, logging, syncing, answering and storing an order,
while a log segment is made, and in the middle of a recovery. --times N: so many rounds.
Expected: the supervisor starts it again, it replays its log; nothing is lost, doubled or oversold."

TIMES=1
chaos_options "$about" "$@"
echo "$about"
mapfile -t points < <(stampede --json chaos list | python -c '
import json, sys
print("\n".join(point["point"] for point in json.load(sys.stdin)["points"]))')
((${#points[@]} > 0)) || fail 1 "stampede chaos list names no point"
begin_sale $((TIMES * ${#points[@]} * 3 / 2)) 500
for ((n = 0; n < TIMES; ++n)); do
  for point in "${points[@]}"; do
    stampede chaos crash backend --at "$point" --seed "$((SEED + n))" |
      sed -n 's/^crash 1 at/      crashed at/p' ||
      FAULTS+=("chaos crash backend --at $point did not succeed")
  done
done
end_sale
