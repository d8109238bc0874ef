// Which documents are for training, validation and test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "framework/data/data_settings.h"
#include "framework/data/documents.h"

namespace peryton {

enum class Side : std::uint8_t { kTrain = 0, kValidation = 1, kTest = 2 };

// One side for each document. Documents (groups of near duplicates, where these are looked for)
// come in an order drawn from (seed, text); test and then validation take from it what still fits
// their fraction of the bytes, each at least one group. Throws kUserInput for fractions that are
// not in [0, 1) or leave nothing for training, and for fewer groups than sides.
std::vector<Side> split_documents(std::span<const Document> documents,
                                  const SplitSettings& settings, std::uint64_t seed, int threads);

}  // namespace peryton
