// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/batching.h"

#include <algorithm>

namespace peryton {

LossRequest make_request(std::span<const TokenRow> rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto length = static_cast<std::int64_t>(rows.front().document_start.size());
  LossRequest request;
  request.batch.ids = Tensor::empty(DType::kInt32, {count, length});
  request.batch.document_start = Tensor::empty(DType::kInt32, {count, length});
  request.targets = Tensor::empty(DType::kInt32, {count, length});
  for (std::int64_t b = 0; b < count; ++b) {
    const TokenRow& row = rows[static_cast<std::size_t>(b)];
    std::copy_n(row.ids.begin(), length, request.batch.ids.data<std::int32_t>() + b * length);
    std::copy_n(row.document_start.begin(), length,
                request.batch.document_start.data<std::int32_t>() + b * length);
    std::int32_t* targets = request.targets.data<std::int32_t>() + b * length;
    for (std::int64_t t = 0; t < length; ++t) {
      const auto at = static_cast<std::size_t>(t);
      targets[t] = row.loss_mask[at] != 0 ? row.ids[at + 1] : -1;
    }
  }
  return request;
}

std::int64_t target_count(std::span<const TokenRow> rows) {
  std::int64_t count = 0;
  for (const TokenRow& row : rows) count += std::ranges::count(row.loss_mask, std::uint8_t{1});
  return count;
}

}  // namespace peryton
