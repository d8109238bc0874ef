#!/usr/bin/env bash
# Builds and runs every test on a Debian 12 machine; installs what is missing first.
set -euo pipefail
cd "$(dirname "$0")/.."
. launch/setup/packages.sh
install_packages "${PERYTON_BUILD_PACKAGES[@]}" "${PERYTON_TEST_PACKAGES[@]}"
cmake -S . -B build -G Ninja
cmake --build build
ctest --test-dir build --output-on-failure -LE slow
