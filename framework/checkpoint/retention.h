// Which checkpoints may go. Inner part of checkpoint.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/checkpoint/manifest.h"

namespace peryton {

// Kept are the `keep_last` highest steps, the `keep_best` lowest metrics (earlier first among
// equals), `keep`, and whatever a kept one refers to, directly or through others. Returns the other
// steps, ascending.
std::vector<std::int64_t> steps_to_delete(std::span<const CheckpointManifest> manifests,
                                          int keep_last, int keep_best,
                                          std::span<const std::int64_t> keep);

}  // namespace peryton
