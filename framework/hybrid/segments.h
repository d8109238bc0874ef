// Cutting the depth of each component into the same number of segments.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace peryton {

// Boundaries b_0 = 0 <= ... <= b_n = blocks of n nearly equal runs of blocks: b_i = round(i blocks
// / n), so n need not divide the depth. n > blocks is the user's error.
std::vector<std::int64_t> segment_boundaries(std::int64_t blocks, std::int64_t segments);

}  // namespace peryton
