// Causal self-attention that keeps keys and values while generating.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/ops/attention.h"

namespace peryton {

// Keys, with their rotary positions applied, and values of one block during generation:
// [rows, capacity, kv heads, head width].
struct KeyValueCache {
  Tensor keys, values;

  static KeyValueCache make(DType dtype, std::int64_t rows, std::int64_t capacity,
                            const HeadLayout& layout);
};

// fused [B, T, columns] -> [B, T, query heads * head width]. With a cache the tokens of `fused`
// come after `past` others; their keys and values are put behind those, and no gradient may be
// wanted.
Variable self_attention(Tape& tape, const Variable& fused, const HeadLayout& layout,
                        const AttentionOptions& options, KeyValueCache* cache, std::int64_t past);

// Multiply-adds x 2 per token of scores and their sums over values, at a context of `length`
// tokens: half of them are visible on average, and never more than a window.
double attention_flops_per_token(std::int64_t query_columns, std::int64_t length,
                                 std::int64_t window);

}  // namespace peryton
