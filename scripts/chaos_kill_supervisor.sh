#!/bin/bash -p
# Kills the supervisor with SIGKILL under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills the supervisor with SIGKILL, some times, in the middle of a sale.
Expected: the nodes go on serving, in the same processes; the guard starts a new supervisor, which
adopts them. Nothing is lost, doubled or oversold, and no node ever runs twice."

chaos_options "$about" "$@"
echo "$about"
begin_sale $((TIMES * 3 + 2))
for ((n = 0; n < TIMES; ++n)); do
  random_pause
  kill_supervisor
done
end_sale
