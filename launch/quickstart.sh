#!/usr/bin/env bash
# From a bare Debian 12 machine to a trained, evaluated and exported hybrid: installs, builds, makes the
# text, runs configs/quickstart.yaml. See --help.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
start_folder="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. launch/setup/packages.sh

usage() {
  cat <<'TEXT'
usage: ./launch/quickstart.sh [--text FILE_OR_FOLDER] [--no-install [--prefix DIR]...]

  --text PATH    train on your own text: a file, or a folder of .txt, .html and .jsonl files
  --no-install   install nothing; build with what is there and name what is missing
  --prefix DIR   look for libraries in DIR too; may be given several times

Installs Debian packages (needs root or sudo), builds into build/, trains two small components and their
hybrid in runs/quickstart, and prints the evaluation. Run it again to go on where it stopped.
TEXT
}

text="" install=yes prefixes=""
require_argument() { [ "$2" -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
  case "$1" in
    --text)
      require_argument "$1" $#
      text="$(cd "$start_folder" && realpath -e "$2")" || exit 2
      shift 2 ;;
    --no-install) install=no; shift ;;
    --prefix)
      require_argument "$1" $#
      prefixes="$prefixes${prefixes:+;}$(cd "$start_folder" && realpath -e "$2")" || exit 2
      shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; echo "unknown option '$1'" >&2; exit 2 ;;
  esac
done

say "1 of 4: packages"
if [ "$install" = yes ]; then
  packages=("${PERYTON_BUILD_PACKAGES[@]}")
  [ -n "$text" ] || packages+=("${PERYTON_TEXT_PACKAGES[@]}")
  install_packages "${packages[@]}"
else
  report_missing "$prefixes"
  if [ -z "$text" ] && ! command -v bible >/dev/null; then
    fail "the packages ${PERYTON_TEXT_PACKAGES[*]} are not there: name a text of your own with --text"
  fi
fi

say "2 of 4: build"
build_with "$prefixes" build release -DPERYTON_TESTS=OFF

say "3 of 4: text"
if [ -n "$text" ]; then
  echo "your own: $text"
else
  text="$PWD/build/text"
  launch/setup/text.sh "$text"
fi

say "4 of 4: run; the same command goes on where it stopped"
build/bin/peryton run configs/quickstart.yaml --set "data.sources=[\"$text\"]"

echo
build/bin/peryton report runs/quickstart
echo "open it: $PWD/runs/quickstart/report.html"
