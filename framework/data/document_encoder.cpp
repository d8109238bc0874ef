// SPDX-License-Identifier: Apache-2.0
#include "framework/data/document_encoder.h"

#include "framework/core/error.h"
#include "kernels/common/context.h"

namespace peryton {
namespace {

struct Encoded {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> mask;  // empty: all learnt
};

Encoded encode(const Tokenizer& tokenizer, const Document& document) {
  Encoded encoded;
  if (!document.prompt.empty()) {
    encoded.ids = tokenizer.encode(document.prompt);
    encoded.mask.assign(encoded.ids.size(), 0);
  }
  const auto text = tokenizer.encode(document.text);
  encoded.ids.insert(encoded.ids.end(), text.begin(), text.end());
  if (!document.prompt.empty()) encoded.mask.resize(encoded.ids.size(), 1);
  return encoded;
}

}  // namespace

TokenFileSettings token_file_settings(const Tokenizer& tokenizer, bool loss_mask) {
  if (!tokenizer.end_of_text()) {
    fail_input("the tokenizer has no end-of-text token to put between documents", "",
               "add a special token named <|endoftext|> to its added_tokens");
  }
  return {.vocabulary_size = tokenizer.vocabulary_size(),
          .end_of_text = *tokenizer.end_of_text(),
          .tokenizer_hash = tokenizer.hash(),
          .loss_mask = loss_mask};
}

DocumentEncoder::DocumentEncoder(const Tokenizer& tokenizer, TokenFileWriter& writer, int threads,
                                 std::function<void(std::int64_t)> progress)
    : tokenizer_(tokenizer), writer_(writer), threads_(threads), progress_(std::move(progress)) {}

void DocumentEncoder::add(Document document) {
  constexpr std::int64_t kBatchBytes = std::int64_t{4} << 20;
  batch_bytes_ += static_cast<std::int64_t>(document.prompt.size() + document.text.size());
  batch_.push_back(std::move(document));
  if (batch_bytes_ >= kBatchBytes) flush();
}

void DocumentEncoder::flush() {
  std::vector<Encoded> encoded(batch_.size());
  kernels::parallel_for({.device = {}, .threads = threads_},
                        static_cast<std::int64_t>(batch_.size()), [&](std::int64_t i) {
                          const auto d = static_cast<std::size_t>(i);
                          try {
                            encoded[d] = encode(tokenizer_, batch_[d]);
                          } catch (const Error& error) {
                            fail_input(error.message(), batch_[d].origin, error.hint());
                          }
                        });
  for (std::size_t d = 0; d < batch_.size(); ++d) {
    writer_.add(encoded[d].ids, static_cast<std::int64_t>(batch_[d].text.size()), encoded[d].mask);
  }
  bytes_ += batch_bytes_;
  batch_bytes_ = 0;
  batch_.clear();
  if (progress_) progress_(bytes_);
}

void DocumentEncoder::finish() {
  flush();
  writer_.finish();
}

}  // namespace peryton
