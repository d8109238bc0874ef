// Documents to token files, in parallel.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "framework/data/documents.h"
#include "framework/data/token_file.h"
#include "framework/data/tokenizer.h"

namespace peryton {

// The settings of token files for a tokenizer. Throws kUserInput where it has no end-of-text token.
TokenFileSettings token_file_settings(const Tokenizer& tokenizer, bool loss_mask);

// Collects documents, encodes them a batch at a time on `threads` threads and appends them to a
// token file in the order in which they came. Prompt and text are encoded apart and joined, so that
// the border between what is learnt and what is not never lies inside a token.
class DocumentEncoder {
 public:
  // Both are borrowed. `progress`, if any, gets the bytes of text that were encoded so far.
  DocumentEncoder(const Tokenizer& tokenizer, TokenFileWriter& writer, int threads,
                  std::function<void(std::int64_t)> progress = {});

  void add(Document document);
  void finish();  // encodes what is left and finishes the file

 private:
  void flush();

  const Tokenizer& tokenizer_;
  TokenFileWriter& writer_;
  int threads_;
  std::function<void(std::int64_t)> progress_;
  std::vector<Document> batch_;
  std::int64_t batch_bytes_ = 0, bytes_ = 0;
};

}  // namespace peryton
