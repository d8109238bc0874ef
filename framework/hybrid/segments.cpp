// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/segments.h"

#include "framework/core/error.h"

namespace peryton {

std::vector<std::int64_t> segment_boundaries(std::int64_t blocks, std::int64_t segments) {
  if (segments < 1 || segments > blocks) {
    fail_input(
        fmt::format("{} segments cannot be cut from a component of {} blocks", segments, blocks),
        "hybrid.segments", "use at most as many segments as the shallowest component has blocks");
  }
  std::vector<std::int64_t> boundaries;
  for (std::int64_t i = 0; i <= segments; ++i) {
    boundaries.push_back((2 * i * blocks + segments) / (2 * segments));
  }
  return boundaries;
}

}  // namespace peryton
