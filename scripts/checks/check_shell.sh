#!/bin/bash -p
# Runs shellcheck over every shell script of the project. Part of the unit tests.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/../parts/lib.sh"

case "${1:-}" in
  --help | -h)
    echo "Usage: scripts/checks/check_shell.sh"
    echo "Exit: 0 clean, 1 findings, 77 no shellcheck (scripts/install_deps.sh installs it)."
    exit 0
    ;;
  "") ;;
  *) wrong_use "$1" ;;
esac

if ! command -v shellcheck >/dev/null; then
  say "skipped: shellcheck is not installed; scripts/install_deps.sh installs it"
  exit 77
fi
cd "$PROJECT"
project_files '*.sh' '.ci/run' | xargs -0 -r shellcheck -x
