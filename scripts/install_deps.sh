#!/bin/bash -p
# Installs the packages that building, running and testing need, and nothing else.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/surroundings.sh
source "${BASH_SOURCE[0]%/*}/parts/surroundings.sh"

# What scripts beside a program that is built need.
RUN_PACKAGES=(mariadb-server-core mariadb-client python3 python3-zmq python3-msgpack procps curl)
# What the program is built from, and what the checks need.
PACKAGES=(
  "${RUN_PACKAGES[@]}"
  g++ cmake ninja-build pkg-config ccache git
  libcaf-dev libzmq3-dev cppzmq-dev libmsgpack-cxx-dev libboost-dev libmysqlcppconn-dev
  libspdlog-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libsodium-dev libisal-dev
  libcjose-dev libssl-dev prometheus-cpp-dev
  doctest-dev clang-format-14 shellcheck wrk valgrind
  groff-base     # renders the man pages in a test
  ruby php-cli  # run clients/examples
  jq  # docs/everyday.md
  python3-cryptography  # mints session tokens for a test
  python3-markdown python3-yaml  # make the page at /docs
  python3-jsonschema  # judges docs/openapi.yaml
)
# What scripts/bench.sh measures against (without it those points are named as missing), and what
# the micro-benchmarks are built with.
BENCH_PACKAGES=(redis-server nats-server libnats-dev libmariadb-dev libbenchmark-dev)
# What scripts/package.sh builds and its test judges with.
PACKAGE_PACKAGES=(debhelper fakeroot lintian)
# What scripts/fuzz.sh builds with.
FUZZ_PACKAGES=(clang-14 libclang-rt-14-dev)
# What runs clients/js. Debian has no ZeroMQ for Node: npm brings it.
CLIENT_PACKAGES=(nodejs)
# Clients and load tools of others that foreign_clients_test runs in its long form.
LONG_CLIENT_PACKAGES=(
  apache2-utils hey nghttp2-client jmeter jmeter-http
  libjeromq-java libmsgpack-java openjdk-17-jdk-headless
)
PROMTOOL_DIR=$(realpath -m -- "${BASH_SOURCE[0]%/*}/../build/packages")
CLIENT=$(realpath -- "${BASH_SOURCE[0]%/*}/../clients/js")
# What the pages are tested with, and what was taken into web/vendor.
WEB=$(realpath -- "${BASH_SOURCE[0]%/*}/../web")
# A browser for the tests of pages, 220 MB, and what the pages of springboot-seckill are made with.
BROWSER_PACKAGES=(chromium-headless-shell libjs-jquery)

usage() {
  cat <<'TEXT'
Usage: scripts/install_deps.sh [--print] [--run] [--bench] [--fuzz] [--clients] [--browser]
                               [--promtool] [--package] [--long-clients]
Installs the missing Debian 12 packages with apt-get, as root or through sudo.
  --print   only says what it would do
  --run     only what runs a program that is built already
  --package also what scripts/package.sh builds the Debian package with
  --fuzz    also clang with libFuzzer, for scripts/fuzz.sh
  --clients also Node, and into clients/js/node_modules the packages of its package-lock.json with
            npm; where npm cannot bring them, the tests that need them are skipped
  --long-clients also ab, hey, h2load, JMeter, a JDK and jeromq, for STAMPEDE_CLIENTS=long
  --browser also a Chromium without a window and jQuery, for the tests of pages, and where npm is
            there, the packages of web/package-lock.json into web/node_modules
  --promtool also promtool and prometheus, into build/packages, out of the package prometheus,
            which is not installed: no service is started; without them the tests of alerts are
            skipped
  --bench   also the peers of scripts/bench.sh and the library of the micro-benchmarks; Debian
            starts services with redis-server and nats-server
Does nothing, and needs no root, when all are there. Without --bench it starts no service: only the
database's programs are installed, not its system service.
Exit: 0 all there, 1 something is missing and cannot be installed, 2 wrong use.
TEXT
}

# Checks alerts and metrics for the tests.
fetch_promtool() {
  local tools=$PROMTOOL_DIR scratch
  if ! $promtool || [[ -x $tools/promtool && -x $tools/prometheus ]]; then return 0; fi
  if $print_only; then
    printf 'apt-get download prometheus  # and its programs, into %s\n' "$tools"
    return 0
  fi
  scratch=$(mktemp -d)
  chmod 755 "$scratch"  # apt-get as root downloads as another user
  if (cd "$scratch" && apt-get download -q prometheus && dpkg -x prometheus_*.deb .) >&2; then
    mkdir -p "$tools"
    mv "$scratch"/usr/bin/prom{tool,etheus} "$tools/"
  else
    echo "install_deps.sh: no promtool to be had; tests of alerts are skipped" >&2
  fi
  rm -rf "$scratch"
}

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' ||
      printf '%s\n' "$package"
  done
}

give_up() {
  printf 'install_deps.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

# Those of a folder's lock file, with its checksums; none of their own scripts is run.
npm_install() {
  local folder=$1 loss=$2 installed=$1/node_modules/.package-lock.json
  if [[ -e $installed && ! $folder/package-lock.json -nt $installed ]]; then return; fi
  local npm=(npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
    --fetch-retries=1)
  if $print_only; then printf '%s\n' "${npm[*]}"; return; fi
  timeout 300 "${npm[@]}" >&2 ||
    printf 'install_deps.sh: %s failed; %s are skipped\n' "${npm[*]:0:4}" "$loss" >&2
}
npm_packages() {
  if $clients; then npm_install "$CLIENT" "tests of clients/js over ZeroMQ"; fi
  if $browser && { command -v npm >/dev/null || $clients; }; then
    npm_install "$WEB" "checks of the pages for screen readers"
  fi
}

print_only=false
clients=false
browser=false
promtool=false
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --print) print_only=true ;;
    --run) PACKAGES=("${RUN_PACKAGES[@]}") ;;
    --package) PACKAGES+=("${PACKAGE_PACKAGES[@]}") ;;
    --fuzz) PACKAGES+=("${FUZZ_PACKAGES[@]}") ;;
    --clients)
      clients=true
      PACKAGES+=("${CLIENT_PACKAGES[@]}")
      command -v npm >/dev/null || PACKAGES+=(npm)  # other packages of Node contain it
      ;;
    --long-clients) PACKAGES+=("${LONG_CLIENT_PACKAGES[@]}") ;;
    --browser)
      browser=true
      PACKAGES+=("${BROWSER_PACKAGES[@]}")
      ;;
    --promtool) promtool=true ;;
    --bench) PACKAGES+=("${BENCH_PACKAGES[@]}") ;;
    *) give_up "unknown argument '$1'; see --help" 2 ;;
  esac
  shift
done

command -v apt-get >/dev/null ||
  give_up "no apt-get here; this project is built on Debian 12. It needs: ${PACKAGES[*]}"

mapfile -t missing < <(missing_packages)
if ((${#missing[@]} == 0)); then
  echo "all ${#PACKAGES[@]} packages are installed"
  npm_packages
  fetch_promtool
  exit 0
fi

# --no-remove: a conflicting package must be an error, never a silent removal.
install=(apt-get install -y --no-install-recommends --no-remove "${missing[@]}")
as_root=()
if ((EUID != 0)); then as_root=(sudo); fi

if $print_only; then
  printf '%s\n' "${as_root[*]:+${as_root[*]} }apt-get update"
  printf '%s\n' "${as_root[*]:+${as_root[*]} }${install[*]}"
  npm_packages
  fetch_promtool
  exit 0
fi

if ((EUID != 0)) && ! command -v sudo >/dev/null; then
  give_up "missing packages: ${missing[*]}
neither root nor sudo is at hand; as root, run: apt-get update && ${install[*]}"
fi

export DEBIAN_FRONTEND=noninteractive
printf 'installing %s packages: %s\n' "${#missing[@]}" "${missing[*]}"
"${as_root[@]}" apt-get update -q ||
  give_up "apt-get update failed; is the network there, and are the sources right?"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" ||
  give_up "apt-get could not install: ${missing[*]}; its own message above says why"
mapfile -t missing < <(missing_packages)
((${#missing[@]} == 0)) || give_up "still missing after the installation: ${missing[*]}"
npm_packages
fetch_promtool
