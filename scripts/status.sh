#!/bin/bash -p
# Shows how the system of one run directory is.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

case "${1:-}" in
  --help | -h)
    cat <<'TEXT'
Usage: scripts/status.sh [ARGUMENT of `stampede status`]...
Nodes, items, command log and database of the system in ${STAMPEDE_RUN_DIR:-run}.
Exit: 0 it could report, 3 nothing runs, others as `stampede status`.
TEXT
    exit 0
    ;;
esac

trust_run_dir
if ! is_running && [[ -z $(running_nodes) ]]; then
  fail 3 "nothing runs in $RUN; scripts/start_all.sh starts it"
fi
is_running ||
  say "the supervisor is gone, the nodes still serve; scripts/start_all.sh adopts them"
if [[ ${1:-} == --json ]]; then
  shift
  stampede --json status "$@"
else
  stampede status "$@"
fi
