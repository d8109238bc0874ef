// Where the heads of queries, keys and values lie in the last dimension of a fused projection.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/core/tensor.h"

namespace peryton {

struct HeadLayout {
  struct Part {
    std::int64_t offset, stride;  // first element of head 0, elements from head to head
    std::int64_t heads;
  };
  std::int64_t width;  // elements of one head
  Part query, key, value;

  std::int64_t columns() const { return (query.heads + key.heads + value.heads) * width; }

  // [head][query, key, value][width]: GPT-NeoX.
  static HeadLayout interleaved(std::int64_t heads, std::int64_t width) {
    const std::int64_t stride = 3 * width;
    return {width, {0, stride, heads}, {width, stride, heads}, {2 * width, stride, heads}};
  }
  // [queries | keys | values], each [heads][width].
  static HeadLayout concatenated(std::int64_t heads, std::int64_t kv_heads, std::int64_t width) {
    const std::int64_t keys = heads * width, values = keys + kv_heads * width;
    return {width, {0, width, heads}, {keys, width, kv_heads}, {values, width, kv_heads}};
  }

  // The heads of one part as a view [B, T, heads, width] of a fused [B, T, columns].
  Tensor view(const Tensor& fused, const Part& part) const {
    const std::int64_t strides[] = {fused.stride(0), fused.stride(1), part.stride, 1};
    return fused.slice(-1, part.offset, fused.size(-1))
        .view({fused.size(0), fused.size(1), part.heads, width}, strides);
  }
};

}  // namespace peryton
