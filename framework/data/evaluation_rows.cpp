// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "framework/core/error.h"
#include "framework/data/sampler.h"

namespace peryton {

// Row r holds the inputs [r * stride, r * stride + length) of the file, stride = length - context.
// Position 0 is an end-of-text token, so it is no target; the last target is tokens() - 1.
EvaluationRows::EvaluationRows(std::shared_ptr<const TokenFile> file, int length, int context)
    : file_(std::move(file)), length_(length), context_(context) {
  PERYTON_CHECK(length >= 1 && context >= 0 && context < length);
  const std::int64_t targets = file_->tokens() - 1, stride = length - context;
  rows_ = targets <= 0 ? 0 : std::max<std::int64_t>(0, targets - length + stride - 1) / stride + 1;
}

ScoredRow EvaluationRows::row(std::int64_t index) const {
  PERYTON_CHECK(index >= 0 && index < rows_);
  const std::int64_t begin = index * (length_ - context_);
  std::int64_t document = file_->document_at(begin);
  std::int32_t start = 0;
  ScoredRow row;
  for (std::int32_t t = 0; t <= length_; ++t) {
    const std::int64_t at = begin + t;
    const bool inside = at < file_->tokens();
    // Behind the end every token is a document of its own: nothing looks back from there.
    bool first = !inside;
    if (inside && at == file_->document_begin(document + 1)) ++document;
    if (inside && at == file_->document_begin(document)) first = true;
    if (first) start = t;
    row.ids.push_back(inside ? file_->token(at) : file_->end_of_text());
    if (t < length_) row.document_start.push_back(start);
    if (t == 0) continue;
    const bool fresh = index == 0 || t > context_;
    const bool scored = inside && !first && fresh && file_->learnt(at);
    row.loss_mask.push_back(scored ? 1 : 0);
    row.document.push_back(scored ? document : -1);
  }
  return row;
}

std::int64_t EvaluationRows::scored_tokens(std::int64_t document) const {
  if (!file_->has_loss_mask()) return file_->document_tokens(document);
  std::int64_t count = 0;
  for (std::int64_t at = file_->document_begin(document) + 1;
       at < file_->document_begin(document + 1); ++at) {
    count += file_->learnt(at) ? 1 : 0;
  }
  return count;
}

}  // namespace peryton
