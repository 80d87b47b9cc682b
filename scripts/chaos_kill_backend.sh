#!/bin/bash -p
# Kills the backend with SIGKILL under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills backend-1 with SIGKILL, some times, in the middle of a sale.
Expected: the supervisor starts the backend anew, which replays the command log; buyers ask again
with the same request id. Every confirmed order stays, none is doubled, nothing is oversold."

chaos_options "$about" "$@"
echo "$about"
kills=()
for ((n = 0; n < TIMES; ++n)); do kills+=("backend-1"); done
chaos_under_load "${kills[@]}"
