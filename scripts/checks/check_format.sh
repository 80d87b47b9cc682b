#!/bin/bash -p
# Checks that every C++ file looks as .clang-format says. Part of the unit tests.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/../parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/checks/check_format.sh [--fix]
Checks all C++ files of the project, tracked or not, with clang-format 14.
  --fix   rewrites the files instead of complaining
Exit: 0 well formatted, 1 not, 77 clang-format is not installed (scripts/install_deps.sh does it).
TEXT
}

mode=(--dry-run -Werror)
case "${1:-}" in
  --help | -h) usage; exit 0 ;;
  --fix) mode=(-i) ;;
  "") ;;
  *) wrong_use "$1" ;;
esac

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $formatter ]]; then
  say "skipped: clang-format is not installed; scripts/install_deps.sh installs it"
  exit 77
fi
cd "$PROJECT"
complaints=$(project_files '*.h' '*.cpp' | xargs -0 -r "$formatter" "${mode[@]}" 2>&1) || {
  grep -F 'error:' <<<"$complaints" | cut -d: -f1 | sort | uniq -c >&2
  fail 1 "places per file that differ from .clang-format; run scripts/checks/check_format.sh --fix"
}
