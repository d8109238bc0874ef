// Continuing a text token by token, with the caches of every component.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/hybrid/language_model.h"
#include "kernels/common/context.h"

namespace peryton {

struct GenerationOptions {
  std::int64_t length = 64;       // new tokens, at most
  double temperature = 0;         // 0: the most likely token each time
  std::int64_t top_k = 0;         // only the k most likely; 0: all
  double top_p = 1;               // only the most likely ones that hold this share
  std::int32_t end_of_text = -1;  // stops there; -1: never
  std::uint64_t seed = 0;
  std::int64_t prefill_chunk = 512;  // tokens of the prompt per forward pass
};

// New ids without the prompt and without the end-of-text. An empty prompt is an internal error.
std::vector<std::int32_t> generate(LanguageModel& model, std::span<const std::int32_t> prompt,
                                   const GenerationOptions& options,
                                   const kernels::Context& context);

// The choice of one token from logits; `index` keys the random number.
std::int32_t choose_token(std::span<const float> logits, const GenerationOptions& options,
                          std::uint64_t index);

}  // namespace peryton
