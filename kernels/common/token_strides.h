// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels {

// Token (b, t) of a [B, T, ..] array starts at data + b * batch + t * token, in elements; what
// belongs to one token is contiguous.
struct TokenStrides {
  std::int64_t batch, token;
};

}  // namespace peryton::kernels
