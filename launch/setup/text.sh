#!/usr/bin/env bash
# text.sh FOLDER: fills FOLDER with English prose from the Debian packages anarchism (HTML pages, one document
# each) and bible-kjv (a text file per chapter, without verse numbers). A folder that is there is left alone.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
folder="$1" new="$1.new"
if [ -d "$folder" ]; then
  echo "$folder is there already"
  exit 0
fi
rm -rf "$new"
mkdir -p "$new/anarchism" "$new/bible-kjv"
pages=/usr/share/doc/anarchism/html
# Small images of Debian leave documentation out when they install a package: take it from the package itself.
if [ ! -d "$pages" ]; then
  echo "the pages of anarchism were not unpacked on this machine; fetching the package"
  (cd "$new" && apt-get download -qq anarchism && dpkg-deb -x anarchism_*.deb unpacked)
  pages="$new/unpacked$pages"
fi
find "$pages" -name '*.html' -exec cp -t "$new/anarchism" {} +
rm -rf "$new/unpacked" "$new"/*.deb
# A line of the program is "Ge1:1 In the beginning ..."; the first word names book, chapter and verse.
bible -f gen1:1-rev22:21 | awk -v folder="$new/bible-kjv" '{
  colon = index($1, ":")
  chapter = substr($1, 1, colon - 1)
  if (chapter != last) {
    if (file != "") close(file)
    file = sprintf("%s/%04d-%s.txt", folder, ++count, chapter)
    last = chapter
  }
  print substr($0, length($1) + 2) > file
}'
mv "$new" "$folder"
echo "$(find "$folder" -type f | wc -l) documents, $(du -sk --apparent-size "$folder" | cut -f1) KiB in $folder"
