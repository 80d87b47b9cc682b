#!/bin/bash -p
# Kills the webapp with SIGKILL under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills webapp-1 with SIGKILL, some times, in the middle of a sale.
Expected: the connections of the buyers break and come back by themselves; they ask again with the
same request id. Decisions are in the backend and in its log: nothing is lost or doubled."

chaos_options "$about" "$@"
echo "$about"
kills=()
for ((n = 0; n < TIMES; ++n)); do kills+=("webapp-1"); done
chaos_under_load "${kills[@]}"
