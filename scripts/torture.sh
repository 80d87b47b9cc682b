#!/bin/bash -p
# The fault matrix on real processes; see test/torture/README.md.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

# Built unless a binary is given, as everywhere. Tracer, preloaded objects and the unit tests of the
# log lie beside it.
if [[ -z ${STAMPEDE_BIN:-} && ${1:-} != --help && ${1:-} != -h ]]; then
  "$PROJECT/scripts/install_deps.sh" >&2
  for target in stampede faults storage_log_test; do build_project "$target"; done
fi
export STAMPEDE_BIN=$STAMPEDE
exec /usr/bin/python3 -Es "$PROJECT/test/torture/torture.py" "$@"
