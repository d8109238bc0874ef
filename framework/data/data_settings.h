// What a run reads: sources, split, tokenizer. Plain values; the configuration layer fills them in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace peryton {

// One place that documents come from.
struct SourceSettings {
  std::string path;            // .txt, .html, .htm, .jsonl or a folder (read recursively, sorted)
  std::string field = "text";  // JSONL: the field that holds the text
  // JSONL: both set or both empty. The prompt is read but not learnt (loss mask 0); `field` is
  // unused.
  std::string prompt_field, completion_field;
  // Share of this source in training, relative to the others; 0: in proportion to its tokens.
  double weight = 0;
  // How a plain-text file becomes documents: "auto", "file", "blank_line", "lines:N", "pieces:N" or
  // "starts:REGEX" (documents.h); "auto" makes one document of an HTML file. JSONL: one a line.
  std::string documents = "auto";
  bool json_lines = false;  // read the file as JSONL whatever its name ends in
  std::string where;        // place in the user's file, for errors ("my.yaml:3:12"); may be empty
};

struct SplitSettings {
  double validation = 0.02;  // fractions of the documents' bytes
  double test = 0.02;
  // Documents that share more than this part of their 13-word sequences stay on one side; 0: off.
  double near_duplicates = 0;
};

struct TokenizerSettings {
  enum class Kind { kByte, kLoad, kTrainBpe };
  Kind kind = Kind::kByte;
  std::string path;           // kLoad: a tokenizer.json, or a folder that holds one
  int vocabulary = 4096;      // kTrainBpe: size, with the 256 bytes and <|endoftext|>
  bool split_digits = false;  // kTrainBpe: digits one by one
  std::string where;          // place in the user's file, for errors; may be empty
};

struct DataSettings {
  std::vector<SourceSettings> sources;
  SplitSettings split;
  TokenizerSettings tokenizer;
  std::uint64_t seed = 0;  // of the split
  int threads = 1;         // does not change any output
};

}  // namespace peryton
