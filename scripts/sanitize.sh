#!/bin/bash -p
# Builds with a sanitizer into a build directory of its own and runs tests there.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/surroundings.sh
source "${BASH_SOURCE[0]%/*}/parts/surroundings.sh"
PROJECT=$(cd -P "${BASH_SOURCE[0]%/*}/.." && pwd)

usage() {
  cat <<'TEXT'
Usage: scripts/sanitize.sh address|thread [unit|sim|system|NAME|all]... [--build-only]
Builds into build-asan/ or build-tsan/, runs what is named (default: unit), prints a line for each:
  address   AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
  thread    ThreadSanitizer; ZeroMQ and CAF are built with it too, from Debian's sources, since
            reports that need uninstrumented libraries to be true are noise
  unit      the unit tests, without those of the sources' form and the simulation
  sim       the simulation's quick tier
  system    whole systems under the instrumented program: kills, hostile, crash_points
  NAME      one system test, as in test/system/NAME_test.py
  all       unit, sim and every system test
First of all a planted fault must be reported, or nothing else would mean anything.
Exit: 0 clean, 1 a test failed or something was reported, 2 wrong use, 3 the build failed.
TEXT
}

wrong_use() {
  printf 'sanitize.sh: %s; see --help\n' "$1" >&2
  exit 2
}

case ${1:-} in
  --help | -h) usage; exit 0 ;;
  address | thread) sanitizer=$1; shift ;;
  *) wrong_use "first say address or thread" ;;
esac
build_only=false
what=()
while (($#)); do
  case $1 in
    --build-only) build_only=true ;;
    unit | sim) what+=("$1") ;;
    system) what+=(kills hostile crash_points) ;;
    all)
      what+=(unit sim)
      for test in "$PROJECT"/test/system/*_test.py; do
        what+=("$(basename "$test" _test.py)")
      done
      ;;
    *)
      [[ -f $PROJECT/test/system/$1_test.py ]] || wrong_use "no tests called '$1'"
      what+=("$1")
      ;;
  esac
  shift
done
if ((${#what[@]} == 0)); then what=(unit); fi

if [[ $sanitizer == address ]]; then BUILD=$PROJECT/build-asan; else BUILD=$PROJECT/build-tsan; fi
FLAGS=(-DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g"
  -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0)  # a room at once: half the time
suppressions=$PROJECT/test/sanitizers
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export LSAN_OPTIONS=suppressions=$suppressions/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=suppressions=$suppressions/ubsan.supp:print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=suppressions=$suppressions/tsan.supp:halt_on_error=0:second_deadlock_stack=1
TSAN_OPTIONS+=:history_size=4

# --- ThreadSanitizer's own ZeroMQ and CAF -------------------------------------------------------

DEPS=$BUILD/deps

# debian_source PACKAGE: its upstream sources, unpacked; prints the directory.
debian_source() {
  local package=$1 apt=$DEPS/apt
  mkdir -p "$apt/lists/partial" "$apt/parts" "$DEPS/src"
  sed -n 's/^Types: deb$/Types: deb-src/; p' /etc/apt/sources.list.d/debian.sources \
    >"$apt/parts/src.sources"
  local options=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$apt/parts"
    -o "Dir::State::Lists=$apt/lists" -o APT::Sandbox::User=root)
  if [[ ! -e $apt/updated ]]; then
    apt-get "${options[@]}" update >&2
    touch "$apt/updated"
  fi
  # The upstream archive is enough, and mirrors lose Debian's small patches first.
  (cd "$DEPS/src" && apt-get "${options[@]}" source --download-only "$package" >&2) || true
  local archive
  archive=$(find "$DEPS/src" -name "${package}_*.orig.tar.*" ! -name '*.asc' | head -n 1)
  [[ -n $archive ]] || { echo "sanitize.sh: no sources of $package to be had" >&2; exit 3; }
  mkdir -p "$DEPS/src/$package"
  tar -xf "$archive" -C "$DEPS/src/$package" --strip-components=1
  printf '%s' "$DEPS/src/$package"
}

# build_library PACKAGE CMAKE-OPTION...: into $DEPS/root, instrumented.
build_library() {
  local package=$1 source
  shift
  if [[ -e $DEPS/$package.built ]]; then return; fi
  source=$(debian_source "$package")
  cmake -S "$source" -B "$DEPS/build-$package" -G Ninja -DCMAKE_INSTALL_PREFIX="$DEPS/root" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_FLAGS="-fsanitize=thread -g -O1" -DCMAKE_CXX_FLAGS="-fsanitize=thread -g -O1 -w" \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$(command -v ccache)" "$@" >/dev/null
  nice -n 5 ninja -j "$(nproc)" -C "$DEPS/build-$package" install >/dev/null
  touch "$DEPS/$package.built"
}

prepare_thread() {
  build_library zeromq3 -DBUILD_TESTS=OFF -DBUILD_STATIC=OFF -DWITH_LIBSODIUM=ON \
    -DENABLE_CURVE=ON -DWITH_PERF_TOOL=OFF -DWITH_DOCS=OFF -DENABLE_CPACK=OFF
  build_library actor-framework -DCAF_NO_IO=ON -DCAF_NO_OPENSSL=ON -DCAF_NO_TOOLS=ON \
    -DCAF_NO_EXAMPLES=ON -DCAF_NO_UNIT_TESTS=ON -DCAF_NO_PYTHON=ON -DCAF_NO_OPENCL=ON
  FLAGS+=(-DSTAMPEDE_TSAN=ON -DCMAKE_PREFIX_PATH="$DEPS/root"
    -DCMAKE_BUILD_RPATH="$DEPS/root/lib")
}

# --- build --------------------------------------------------------------------------------------

"$PROJECT/scripts/install_deps.sh" >&2
{
  if [[ $sanitizer == thread ]]; then
    prepare_thread
  else
    FLAGS+=(-DSTAMPEDE_ASAN=ON -DSTAMPEDE_UBSAN=ON)
  fi
  # Only what is asked for: a whole build takes a quarter of an hour of processor time.
  targets=(stampede "planted_$sanitizer")
  if [[ " ${what[*]} " == *" unit "* || " ${what[*]} " == *" sim "* ]]; then targets=(all); fi
  cmake -S "$PROJECT" -B "$BUILD" -G Ninja "${FLAGS[@]}" >/dev/null &&
    nice -n 5 ninja -j "$(nproc)" -C "$BUILD" "${targets[@]}"
} >&2 || exit 3
if $build_only; then exit 0; fi

# --- run ----------------------------------------------------------------------------------------

failed=0
reports=$BUILD/reports
mkdir -p "$reports"

# The planted fault: a race, or a read behind the end.
if "$BUILD/bin/planted_$sanitizer" >"$reports/planted.txt" 2>&1; then
  echo "the planted fault was not reported: this build finds nothing" >&2
  exit 1
fi
echo "planted fault: reported"

# run NAME COMMAND...: runs it and prints one line. Its output and its processes' reports go into a
# directory of its own; UBSAN's of a node are in the node's log, which a test keeps there, too.
run() {
  local name=$1 directory=$reports/$1 code=0 began=$SECONDS tests found
  shift
  rm -rf "$directory"
  mkdir -p "$directory"
  (cd "$BUILD" && env STAMPEDE_BIN="$BUILD/bin/stampede" STAMPEDE_REPORTS="$directory" \
    ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$directory/asan" \
    TSAN_OPTIONS="$TSAN_OPTIONS:log_path=$directory/tsan" \
    UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$directory/ubsan" \
    nice -n 10 "$@") >"$directory/output.txt" 2>&1 || code=$?
  tests=$(grep -E '^Ran |tests passed|^OK \(|^FAILED \(' "$directory/output.txt" |
    paste -sd ' ') || true
  found=$(cat "$directory"/* |
    grep -cE '(WARNING|ERROR): (Address|Thread|Leak)Sanitizer|runtime error:') || true
  if ((code || found)); then failed=1; fi
  printf '%s %s: exit %s, reports %s, %s s (%s)\n' \
    "$sanitizer" "$name" "$code" "$found" $((SECONDS - began)) "${tests:-no test ran}"
}

for name in "${what[@]}"; do
  case $name in
    unit) run unit ctest -L '^unit$' -LE lint -E '^sim_' -j2 --timeout 1800 --output-on-failure ;;
    sim) run sim ctest -R '^sim' --timeout 3600 --output-on-failure ;;
    *) run "$name" /usr/bin/python3 -Es "$PROJECT/test/system/${name}_test.py" ;;
  esac
done
if ((failed)); then echo "outputs and reports: $reports" >&2; fi
exit "$failed"
