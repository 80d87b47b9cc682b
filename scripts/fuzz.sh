#!/bin/bash -p
# Builds the fuzz targets (clang, libFuzzer, ASAN, UBSAN) and runs each for a while.
[[ $- == *p* && $0 == */* && ! -L $0 ]] || exec /bin/bash -p -- "$(/usr/bin/realpath -- "$0")" "$@"
set -euo pipefail
# shellcheck source=scripts/parts/surroundings.sh
source "${BASH_SOURCE[0]%/*}/parts/surroundings.sh"
PROJECT=$(cd -P "${BASH_SOURCE[0]%/*}/.." && pwd)
BUILD=${STAMPEDE_FUZZ_BUILD:-$PROJECT/build-fuzz}
CORPUS=$PROJECT/test/fuzz/corpus.py
TARGETS=(sf1 node_message http log_reader record msgpack import config admin ticket token zmtp)

usage() {
  cat <<TEXT
Usage: scripts/fuzz.sh [--seconds N] [--only NAME] [--seed N] [--keep] [--repeat NAME FILE]
Feeds each target random input, starting from its kept corpus (test/fuzz/corpus/NAME.b64), and
prints one line for each: inputs run, inputs a second, corpus, new inputs found, crashes.
  --seconds N   of each target (default 60)
  --only NAME   one of: ${TARGETS[*]}
  --seed N      of the mutations (default: random, printed)
  --keep        merges what was found into the kept corpus
  --repeat NAME FILE   runs one input, as a crash's line tells
Builds into $BUILD (STAMPEDE_FUZZ_BUILD names another).
Inputs that crash, hang (5 s) or need more than 64 MiB at once are kept in its crashes/ directory.
Exit: 0 none crashed, 1 one crashed, 2 wrong use, 3 the build failed.
TEXT
}

wrong_use() {
  printf 'fuzz.sh: %s; see --help\n' "$1" >&2
  exit 2
}

seconds=60
only=
seed=$((RANDOM * 32768 + RANDOM + 1))
keep=false
repeat=()
while (($#)); do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --seconds) seconds=${2:-}; shift ;;
    --only) only=${2:-}; shift ;;
    --seed) seed=${2:-}; shift ;;
    --keep) keep=true ;;
    --repeat) repeat=("${2:-}" "${3:-}"); shift 2 || wrong_use "--repeat needs NAME and FILE" ;;
    *) wrong_use "unknown argument '$1'" ;;
  esac
  shift || wrong_use "a value is missing"
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || wrong_use "--seconds '$seconds' is no number of seconds"
[[ $seed =~ ^[1-9][0-9]*$ ]] || wrong_use "--seed '$seed' is no number"
[[ -z $only || " ${TARGETS[*]} " == *" $only "* ]] || wrong_use "no target '$only'"
if [[ -n $only ]]; then TARGETS=("$only"); fi
if ((${#repeat[@]})); then TARGETS=("${repeat[0]}"); fi

"$PROJECT/scripts/install_deps.sh" --fuzz >&2
{
  cmake -S "$PROJECT" -B "$BUILD" -G Ninja -DSTAMPEDE_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 \
    -DCMAKE_CXX_COMPILER=clang++-14 >/dev/null &&
    nice -n 5 ninja -C "$BUILD" "${TARGETS[@]/#/fuzz_}"
} >&2 || exit 3

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=0
export UBSAN_OPTIONS=print_stacktrace=1
crashes=$BUILD/crashes
mkdir -p "$crashes"
if ((${#repeat[@]})); then
  exec "$BUILD/bin/fuzz_${repeat[0]}" "${repeat[1]}"
fi

# fuzz NAME: one target; prints its line, false when it crashed.
fuzz() {
  local name=$1 scratch=$BUILD/run-$1 before found code=0 executed rate file
  rm -rf "$scratch"
  mkdir -p "$scratch/corpus"
  python "$CORPUS" unpack "$name" "$scratch/corpus"
  before=$(find "$scratch/corpus" -type f | wc -l)
  find "$crashes" -name "$name-*" -newer "$scratch" -delete
  "$BUILD/bin/fuzz_$name" -max_total_time="$seconds" -seed="$seed" -timeout=5 -rss_limit_mb=512 \
    -malloc_limit_mb=64 -max_len=16384 -len_control=20 -print_final_stats=1 \
    -artifact_prefix="$crashes/$name-" "$scratch/corpus" >"$scratch/log" 2>&1 || code=$?
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$scratch/log")
  found=$(($(find "$scratch/corpus" -type f | wc -l) - before))
  printf '%-14s %12s inputs %8s/s   corpus %5s   new %5s   crashes %s\n' "$name" \
    "${executed:-?}" "${rate:-?}" "$before" "$found" "$((code != 0))"
  if ((code)); then
    file=$(sed -n 's/.*Test unit written to //p' "$scratch/log" | tail -1)
    grep -m3 -E 'does not hold|ERROR: |runtime error|broken invariant' "$scratch/log" |
      sed 's/^/  /'
    printf '  repeat: scripts/fuzz.sh --repeat %s %s   (whole log: %s)\n' "$name" "${file:-?}" \
      "$scratch/log"
    return 1
  fi
  if $keep; then
    mkdir "$scratch/merged"
    "$BUILD/bin/fuzz_$name" -merge=1 -max_len=16384 "$scratch/merged" "$scratch/corpus" \
      >"$scratch/merge-log" 2>&1
    python "$CORPUS" pack "$name" "$scratch/merged"
  fi
}

printf 'seed %s, %s s a target\n' "$seed" "$seconds"
failed=0
for name in "${TARGETS[@]}"; do
  fuzz "$name" || failed=1
done
exit "$failed"
