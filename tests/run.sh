#!/usr/bin/env bash
# Builds and runs the tests on a Debian 12 machine; installs what is missing first. See --help.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
start_folder="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/setup/packages.sh

usage() {
  cat <<'TEXT'
usage: ./tests/run.sh [--all] [--quick] [--no-install [--prefix DIR]...]

  --all          also the tests labelled slow, and every test under each instruction set
  --quick        only the plain suite: no other instruction sets, no sanitizers
  --no-install   install nothing; build with what is there and name what is missing
  --prefix DIR   look for libraries in DIR too; may be given several times

Builds into build/, runs the suite, runs what computes again under PERYTON_MAX_ISA=scalar and avx2 (avx512 too
where the processor has it), and runs the layers below launch/ under the address, undefined-behaviour and thread sanitizers.
TEXT
}

all=no quick=no install=yes prefixes=""
while [ $# -gt 0 ]; do
  case "$1" in
    --all) all=yes; shift ;;
    --quick) quick=yes; shift ;;
    --no-install) install=no; shift ;;
    --prefix)
      [ $# -ge 2 ] || { echo "--prefix needs a folder" >&2; exit 2; }
      prefixes="$prefixes${prefixes:+;}$(cd "$start_folder" && realpath -e "$2")" || exit 2
      shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; echo "unknown option '$1'" >&2; exit 2 ;;
  esac
done

passed=0 failed=0 jobs="$(nproc)"

# suite TITLE FOLDER CTEST-ARGUMENTS...: runs tests and counts them.
suite() {
  local title="$1" folder="$2" log="$2/ctest.log" start=$SECONDS bad=0 total=0
  shift 2
  say "$title"
  ctest --test-dir "$folder" --output-on-failure -j "$jobs" --no-tests=error "$@" 2>&1 | tee "$log" |
    grep -v '^ *Start\|Passed \|^$' || true
  read -r bad total < <(sed -n 's/.*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\).*/\1 \2/p' "$log") ||
    { bad=1 total=1; echo "no test ran"; }
  passed=$((passed + total - bad)) failed=$((failed + bad))
  echo "$title: $((SECONDS - start)) s"
}

say "packages"
if [ "$install" = yes ]; then
  install_packages "${PERYTON_BUILD_PACKAGES[@]}" "${PERYTON_TEST_PACKAGES[@]}"
else
  report_missing "$prefixes" tests
fi

say "build"
build_with "$prefixes" build release -DPERYTON_TESTS=ON

exclude=(-LE slow)
[ "$all" = yes ] && exclude=()
suite "every test" build "${exclude[@]}"

if [ "$quick" = no ]; then
  # What computes; the rest does not look at the instruction set.
  compute=(-R '^test_(kernels|ops|nn|families|conformance|hybrid|search|eval)\.')
  [ "$all" = yes ] && compute=()
  isas=(scalar avx2)
  if grep -qw avx512bw /proc/cpuinfo; then
    isas+=(avx512)
  else
    echo "no AVX-512 in this processor: tests/emulated/run.sh runs what needs it"
  fi
  for isa in "${isas[@]}"; do
    PERYTON_MAX_ISA=$isa suite "PERYTON_MAX_ISA=$isa" build -LE slow "${compute[@]}"
  done

  say "build with the address and undefined-behaviour sanitizers"
  build_with "$prefixes" build/asan-ubsan asan-ubsan \
    "-DPERYTON_LAYERS=core;autograd;ops;nn;optim;comm;parallel;data;checkpoint;config;families;hybrid;search"
  suite "address and undefined-behaviour sanitizers" build/asan-ubsan -LE slow

  say "build with the thread sanitizer"
  build_with "$prefixes" build/tsan tsan "-DPERYTON_LAYERS=core;autograd;optim;comm;parallel;data"
  # The sanitizer's shadow memory wants addresses that are not randomised.
  steady=(setarch "$(uname -m)" -R)
  "${steady[@]}" true 2>/dev/null || steady=()
  ctest() { "${steady[@]}" "$(type -P ctest)" "$@"; }
  suite "thread sanitizer" build/tsan -LE slow -R '^test_(core|comm|parallel|data)\.'
  unset -f ctest
fi

say "all together, $SECONDS s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
