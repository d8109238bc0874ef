// Rows for training and for evaluation, addressed by index: row i is a pure function of (files,
// seed, i, length), so a resume, another world size or prefetching cannot change what is read.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "framework/data/token_file.h"

namespace peryton {

struct TokenRow {
  std::vector<std::int32_t> ids;  // [length + 1]: inputs ids[0..length), targets ids[1..length]
  // [length]: position in the row of the first token of the document that holds input t; 0 where
  // that document began before the row. An end-of-text token is the first token of the document
  // after it, so attention and state start afresh at it.
  std::vector<std::int32_t> document_start;
  std::vector<std::uint8_t> loss_mask;  // [length]: 1 where target ids[t + 1] counts
};

struct WeightedTokenFile {
  std::shared_ptr<const TokenFile> file;
  double weight = 0;  // 0: the number of its tokens (all files 0, or none)
};

// Endless training rows. Each file is a ring of its documents; an epoch cuts the ring into windows
// of `length` at an offset of its own and visits them in a keyed order. Files are blended by
// weight.
class TokenSource {
 public:
  // Throws kUserInput for no file, an empty file, or files of different tokenizers.
  TokenSource(std::vector<WeightedTokenFile> files, std::uint64_t seed);

  // Row `index` >= 0 of rows of `length` >= 1 tokens. Thread-safe.
  TokenRow sample(std::int64_t index, int length) const;

  std::int64_t tokens() const;  // in all files
  std::int32_t vocabulary_size() const { return files_.front().file->vocabulary_size(); }
  std::int32_t end_of_text() const { return files_.front().file->end_of_text(); }
  const std::vector<WeightedTokenFile>& files() const { return files_; }

 private:
  TokenRow window(int file, std::int64_t index, int length) const;

  std::vector<WeightedTokenFile> files_;
  std::uint64_t seed_;
  std::vector<int> schedule_;             // file of sample i: schedule_[i % schedule_.size()]
  std::vector<std::int64_t> rank_;        // how often that file comes before i within the schedule
  std::vector<std::int64_t> per_period_;  // how often each file comes in the schedule
};

struct ScoredRow : TokenRow {
  std::vector<std::int64_t>
      document;  // [length]: the document of target t, -1 where it is not scored
};

// The rows that score a split: documents in file order, one after another; every token of every
// document is a scored target exactly once (tokens with loss mask 0 and end-of-text tokens are
// not), the first one predicted from the end-of-text token alone. After the first row, the first
// `context` positions of a row repeat the last ones of the row before, unscored. The last row is
// filled up with end-of-text.
class EvaluationRows {
 public:
  // 0 <= context < length.
  EvaluationRows(std::shared_ptr<const TokenFile> file, int length, int context = 0);

  std::int64_t size() const { return rows_; }
  ScoredRow row(std::int64_t index) const;  // thread-safe

  std::int64_t documents() const { return file_->documents(); }
  std::int64_t document_bytes(std::int64_t document) const {
    return file_->document_bytes(document);
  }
  // Scored tokens of the document: over all rows, `document` holds it as often.
  std::int64_t scored_tokens(std::int64_t document) const;
  const TokenFile& file() const { return *file_; }

 private:
  std::shared_ptr<const TokenFile> file_;
  int length_, context_;
  std::int64_t rows_;
};

// "evaluation windows" of a split, as a free function.
inline EvaluationRows evaluation_windows(std::shared_ptr<const TokenFile> file, int length,
                                         int context = 0) {
  return EvaluationRows(std::move(file), length, context);
}

}  // namespace peryton
