#!/bin/bash -p
# Kills single actors inside the nodes under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills one actor after the other in the middle of a sale: core, log, lane-1 and port of the
backend, port of the broker, port and http of the webapp. --times N: so many rounds.
Expected: a node that lost an actor ends with exit code 70 instead of limping on, and is restarted;
nothing is lost, doubled or oversold."

TIMES=1
chaos_options "$about" "$@"
echo "$about"
kills=()
for ((n = 0; n < TIMES; ++n)); do
  kills+=("backend-1 core" "backend-1 log" "backend-1 lane-1" "backend-1 port")
  kills+=("broker-1 port" "webapp-1 port" "webapp-1 http")
done
chaos_under_load "${kills[@]}"
