// Text sources to documents.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/data_settings.h"

namespace peryton {

struct Document {
  std::string prompt;  // read but not learnt; empty unless the source has a prompt field
  std::string text;    // UTF-8, not only white space
  std::string origin;  // file, or file:line, for messages
};

// How a plain-text file becomes documents. "file": one document. "blank_line": parted by blank
// lines. "lines:N": every N lines. "pieces:N": cut at the first blank line, or else line end,
// behind every N bytes. "starts:REGEX": a new one at each line that REGEX matches (`starts:^\S+:1 `
// makes one per chapter of the output of `bible -f`). "auto": "file" up to 64 KiB, else
// "pieces:8192"; a source that is one plain-text file of more than 4 KiB is cut into at most about
// 64 pieces of at least 512 bytes, or pieces of 8 KiB, so that it can be split. Throws kUserInput
// at `where` for any other rule.
std::vector<std::string> split_into_documents(std::string text, const std::string& rule,
                                              const std::string& where);

// The files of a source in the order in which they are read: a folder's .txt, .text, .md, .html,
// .htm, .jsonl and .ndjson files, recursively, sorted by path. Throws kUserInput where there is
// none.
std::vector<std::filesystem::path> source_files(const SourceSettings& source);

// Calls take(document) for each document of the source, in order. Throws kUserInput naming file and
// line or byte: missing or empty file, not UTF-8, a line that is not a JSON object, a field that is
// missing or not a string. Documents of white space alone are left out.
void for_each_document(const SourceSettings& source, const std::function<void(Document&&)>& take);
std::vector<Document> read_documents(const SourceSettings& source);

}  // namespace peryton
