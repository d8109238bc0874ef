// Which documents repeat each other.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace peryton {

inline constexpr int kShingleWords = 13;

// Groups documents: two are joined where more than `threshold` (0..1) of the distinct 13-word
// sequences of one of them stand in the other; groups are closed under joining. Words are runs of
// letters, digits and bytes beyond ASCII, without case; a document of fewer words is one sequence.
// Returns for each document the lowest index of its group. Independent of `threads`.
//
// Memory: 16 bytes for each sequence; beyond kMaxShingles a sample of the sequences (by hash, the
// same in all documents) stands for all. Of a sequence that more than 64 documents share
// (boilerplate), only neighbouring documents and the first are compared, so that it costs linear
// time.
std::vector<std::int64_t> near_duplicate_groups(std::span<const std::string_view> texts,
                                                double threshold, int threads);

}  // namespace peryton
