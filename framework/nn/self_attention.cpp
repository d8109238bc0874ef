// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/self_attention.h"

namespace peryton {

KeyValueCache KeyValueCache::make(DType dtype, std::int64_t rows, std::int64_t capacity,
                                  const HeadLayout& layout) {
  const Shape shape{rows, capacity, layout.key.heads, layout.width};
  return {Tensor::zeros(dtype, shape), Tensor::zeros(dtype, shape)};
}

Variable self_attention(Tape& tape, const Variable& fused, const HeadLayout& layout,
                        const AttentionOptions& options, KeyValueCache* cache, std::int64_t past) {
  if (cache == nullptr) return attention(tape, fused, layout, options);
  PERYTON_CHECK(!fused.needs_gradient(), "generation keeps no gradient");
  const std::int64_t end = past + fused.size(1), capacity = cache->keys.size(1);
  PERYTON_CHECK(end <= capacity, "token {} of a state for {}", end, capacity);
  const Tensor& value = fused.value();
  cache->keys.slice(1, past, end).copy_from(layout.view(value, layout.key));
  cache->values.slice(1, past, end).copy_from(layout.view(value, layout.value));
  return tape.constant(attention_with_past(tape.context(), value, layout, options, cache->keys,
                                           cache->values, past));
}

double attention_flops_per_token(std::int64_t query_columns, std::int64_t length,
                                 std::int64_t window) {
  const auto tokens = static_cast<double>(length), limit = static_cast<double>(window);
  const double visible =
      window == 0 || window >= length ? tokens / 2 : limit - limit * limit / (2 * tokens);
  return 2 * 2 * static_cast<double>(query_columns) * visible;
}

}  // namespace peryton
