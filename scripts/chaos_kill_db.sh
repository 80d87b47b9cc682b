#!/bin/bash -p
# Kills the private MariaDB with SIGKILL under load and checks that every promise was kept.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"
# shellcheck source=scripts/parts/chaos.sh
source "$PROJECT/scripts/parts/chaos.sh"

about="Kills the private MariaDB with SIGKILL, some times, in the middle of a sale, and starts it
again a little later.
Expected: orders go on being confirmed from the command log; the rows come when the database is
back, each exactly once. Nothing is lost, doubled or oversold."

chaos_options "$about" "$@"
echo "$about"
begin_sale $((TIMES * 4 + 2))
# shellcheck source=scripts/parts/private_db.sh
source "$PROJECT/scripts/parts/private_db.sh"
for ((n = 0; n < TIMES; ++n)); do
  random_pause
  kill_database
done
end_sale
