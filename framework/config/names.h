// The nearest valid name to what somebody typed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace peryton {

// Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and
// swaps of neighbours, each at cost 1; letter case does not count.
int edit_distance(const std::string& a, const std::string& b);

// The candidate nearest to `name`, if it is at most a third of the length away (at least 1, and 2
// from four letters on); else empty.
std::string nearest_name(const std::string& name, const std::vector<std::string>& candidates);

// "did you mean 'x'?", or the whole list when nothing is near.
std::string suggest(const std::string& name, const std::vector<std::string>& candidates);

// "a, b and c"
std::string join_names(const std::vector<std::string>& names);

}  // namespace peryton
