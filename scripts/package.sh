#!/bin/bash -p
# Builds the Debian package of this tree.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/lib.sh
source "${BASH_SOURCE[0]%/*}/parts/lib.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/package.sh [--output DIR] [--debug-symbols]
Builds the program if needed and makes stampede_<version>_amd64.deb of it in DIR (default: the build
directory): program, systemd unit, system user, scripts, configuration, documents, Python client.
Needs the packages of scripts/install_deps.sh --package. Prints the path of what it made.
  --debug-symbols   builds all of it anew, beside the build directory, with line numbers and names,
                    which become a second package, stampede-dbgsym
STAMPEDE_BIN names a program that is there already; what it has of symbols becomes stampede-dbgsym.
Exit: 0 done, 1 failure, 2 wrong use.
TEXT
}

output=$BUILD
symbols=false
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --output) need_value "$1" $#; output=$(realpath -m -- "$2"); shift 2 ;;
    --debug-symbols) symbols=true; shift ;;
    *) wrong_use "$1" ;;
  esac
done

[[ -e $PROJECT/CMakeLists.txt ]] || fail 1 "a package is made of the sources; these are installed"
for tool in dh_builddeb dpkg-buildpackage fakeroot; do
  command -v "$tool" >/dev/null ||
    fail 1 "$tool is missing; scripts/install_deps.sh --package installs it"
done
if $symbols; then
  BUILD+=-symbols
  STAMPEDE=$BUILD/bin/stampede
  export CXXFLAGS="${CXXFLAGS:-} -g1"
fi
if $symbols || [[ -z ${STAMPEDE_BIN:-} ]]; then build_project stampede; fi
version=$("$STAMPEDE" --version) || fail 1 "$STAMPEDE does not say its version"

STAMPEDE=$(realpath -- "$STAMPEDE")
cd -- "$PROJECT"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/stampede
root=$tree/root

# put MODE TARGET FILE...: files of the tree into a directory of the package.
put() {
  local mode=$1 target=$root/$2
  shift 2
  install -d "$target"
  install -m "$mode" -t "$target" -- "$@"
}

lay_out_program() {
  install -D -m 755 "$STAMPEDE" "$root/usr/bin/stampede"
  put 644 etc/stampede config/stampede.toml
  put 644 usr/lib/python3/dist-packages/stampede clients/python/stampede/*.py
  put 755 usr/share/stampede/clients/python clients/python/order.py
  put 644 usr/share/stampede/dashboards dashboards/alerts.yml dashboards/grafana.json
}

# What works without sources; the rest builds or tests.
lay_out_scripts() {
  local scripts=() script
  for script in start_all stop_all status sql demo install_deps; do
    scripts+=("scripts/$script.sh")
  done
  put 755 usr/share/stampede/scripts "${scripts[@]}" scripts/chaos_*.sh scripts/read_log.py
  put 644 usr/share/stampede/scripts/parts scripts/parts/*.sh
  put 755 usr/share/stampede/scripts/parts scripts/parts/*.py
}

# What the program says of itself: a page for each command, and completion.
lay_out_help() {
  local pages=$tree/pages command
  install -d "$pages" "$root/usr/share/bash-completion/completions" \
    "$root/usr/share/zsh/vendor-completions"
  "$STAMPEDE" help man >"$pages/stampede.1"
  cat packaging/files.1 >>"$pages/stampede.1"
  while read -r command; do
    # shellcheck disable=SC2086
    "$STAMPEDE" help man $command >"$pages/stampede-${command// /-}.1"
  done < <("$STAMPEDE" --json help commands | python -c '
import json, sys
for command in json.load(sys.stdin):
    print(command["command"])')
  "$STAMPEDE" completion bash >"$root/usr/share/bash-completion/completions/stampede"
  "$STAMPEDE" completion zsh >"$root/usr/share/zsh/vendor-completions/_stampede"
}

lay_out_documents() {
  local documents=$tree/documents
  install -d "$documents"
  install -m 644 -t "$documents" README.md README.zh-CN.md \
    docs/{getting-started,everyday,concepts,deployment,protocol,reference,glossary,runbook}.md \
    docs/openapi.yaml
  install -m 644 config/README.md "$documents/configuration.md"
}

# The time of the last commit: the same tree makes the same package.
lay_out_packaging() {
  local when
  cp -R packaging/debian "$tree/debian"
  when=$(git -C "$PROJECT" log -1 --format=%ct 2>/dev/null || date +%s)
  cat >"$tree/debian/changelog" <<TEXT
stampede ($version) bookworm; urgency=medium

  * Built from the sources.

 -- Stampede maintainers <maintainers@stampede.invalid>  $(date -u -R -d "@$when")
TEXT
  export SOURCE_DATE_EPOCH=$when
}

lay_out_program
lay_out_scripts
lay_out_help
lay_out_documents
lay_out_packaging
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps --no-pre-clean \
  >"$scratch/log" 2>&1) || { cat "$scratch/log" >&2; fail 1 "the package could not be made"; }
mkdir -p "$output"
for package in "$scratch"/*.deb; do
  mv "$package" "$output/"
  echo "$output/${package##*/}"
done
