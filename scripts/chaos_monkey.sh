#!/bin/bash -p
# Random faults for a while under load; checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Disturbs the system at random in the middle of a sale, once a second: nodes and actors are
killed, nodes and the database stand still, the backend crashes at named points. --times N: seconds
of it.
Expected: everything comes back; nothing is lost, doubled or oversold."

TIMES=20
chaos_options "$about" "$@"
echo "$about"
begin_sale "$((TIMES + 2))" 1000
stampede chaos monkey --every 1s --for "${TIMES}s" --seed "$SEED" | sed 's/^/      /' ||
  FAULTS+=("stampede chaos monkey did not succeed")
end_sale
