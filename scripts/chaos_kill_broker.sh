#!/bin/bash -p
# Kills the broker with SIGKILL under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills broker-1 with SIGKILL, some times, in the middle of a sale.
Expected: the broker is back at once; the webapps send every unanswered batch to the new one, and
the backend gives known request ids their old answer. Nothing is lost or doubled."

chaos_options "$about" "$@"
echo "$about"
kills=()
for ((n = 0; n < TIMES; ++n)); do kills+=("broker-1"); done
chaos_under_load "${kills[@]}"
