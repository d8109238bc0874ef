# The Debian packages that Peryton builds, tests and runs with, and the functions that install them or say
# what is missing. Sourced by launch/quickstart.sh and tests/run.sh.
# SPDX-License-Identifier: Apache-2.0

PERYTON_BUILD_PACKAGES=(g++ cmake ninja-build git ca-certificates pkg-config libopenmpi-dev openmpi-bin
  libyaml-cpp-dev libboost-program-options-dev libdnnl-dev libhwy-dev nlohmann-json3-dev libspdlog-dev
  libfmt-dev libxxhash-dev libpcre2-dev libutf8proc-dev)
PERYTON_TEST_PACKAGES=(libgtest-dev libgmock-dev clang-format procps)
PERYTON_BENCHMARK_PACKAGES=(libbenchmark-dev)   # with -DPERYTON_BENCHMARKS=ON only
PERYTON_TEXT_PACKAGES=(anarchism bible-kjv)

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

is_installed() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# install_packages NAME...: installs those that are missing, as root or through sudo.
install_packages() {
  local missing=() name sudo=""
  command -v apt-get >/dev/null ||
    fail "this is no Debian system: install what the README lists, then use --no-install --prefix DIR"
  for name in "$@"; do is_installed "$name" || missing+=("$name"); done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "all ${#} Debian packages are there"
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "needs root or sudo to install: ${missing[*]}"
    sudo=sudo
  fi
  echo "installing: ${missing[*]}"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
}

# has_header DIR-LIST NAME: whether the compiler finds the header, below the prefixes too.
has_header() {
  echo "#include <$2>" | ${CXX:-g++} -std=c++20 -x c++ -fsyntax-only $1 - 2>/dev/null
}

# report_missing PREFIXES [tests]: without installing anything, names every tool and library that the build
# needs and that is not there; PREFIXES are folders separated by ';'.
report_missing() {
  local missing=() includes="" prefix pair tool
  local -a prefixes
  IFS=';' read -ra prefixes <<<"$1"
  for prefix in "${prefixes[@]}"; do
    [ -z "$prefix" ] && continue
    [ -d "$prefix" ] || fail "--prefix names a folder that does not exist: $prefix"
    includes="$includes -I$prefix/include"
  done
  for tool in cmake ninja pkg-config "${CXX:-g++}"; do
    command -v "$tool" >/dev/null || missing+=("$tool (program)")
  done
  if command -v "${CXX:-g++}" >/dev/null; then
    local headers=(yaml-cpp/yaml.h:yaml-cpp boost/program_options.hpp:Boost.Program_options
      dnnl.hpp:oneDNN hwy/highway.h:Highway nlohmann/json.hpp:nlohmann-json spdlog/spdlog.h:spdlog
      fmt/format.h:fmt xxhash.h:xxHash pcre2.h:PCRE2 utf8proc.h:utf8proc)
    [ "${2:-}" = tests ] && headers+=(gtest/gtest.h:GoogleTest gmock/gmock.h:GoogleMock)
    for pair in "${headers[@]}"; do
      local flags="$includes"
      [ "${pair##*:}" = PCRE2 ] && flags="$flags -DPCRE2_CODE_UNIT_WIDTH=8"
      has_header "$flags" "${pair%%:*}" || missing+=("${pair##*:} (header ${pair%%:*})")
    done
  fi
  command -v mpirun >/dev/null || echo "note: no mpirun found; runs are limited to one process"
  [ ${#missing[@]} -eq 0 ] && { echo "everything that the build needs is there"; return 0; }
  echo "missing, install them or name their folder with --prefix DIR (several: --prefix A --prefix B):"
  printf '  %s\n' "${missing[@]}"
  return 1
}

# build_with PREFIXES FOLDER PRESET [CMAKE-ARGUMENTS]: configures and builds; prints the seconds it took.
# A first build compiles the files of a folder as one, which is faster; who configured the folder keeps their choice.
build_with() {
  local prefixes="$1" folder="$2" preset="$3" start=$SECONDS
  shift 3
  local log="$folder/configure.log"
  mkdir -p "$folder"
  [ -e "$folder/CMakeCache.txt" ] || set -- -DPERYTON_UNITY=ON "$@"
  cmake --preset "$preset" -B "$folder" ${prefixes:+-DCMAKE_PREFIX_PATH="$prefixes"} "$@" >"$log" 2>&1 ||
    { cat "$log"; fail "the configuration failed"; }
  cmake --build "$folder" -j "$(nproc)" || fail "the build failed"
  echo "built $folder in $((SECONDS - start)) s"
}
