// What fits with what between two models that shall become one hybrid, and how to mend what does
// not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/inspect/model_facts.h"

namespace peryton {

enum class Fit { kYes, kMendable, kNo };

struct Finding {
  Fit fit = Fit::kYes;
  std::string subject;  // "tokenizer", "vocabulary", "width", "depth"
  std::string text;     // what is so
  std::string remedy;   // what to write or do; may be empty
};

std::vector<Finding> compare_models(const ModelFacts& a, const ModelFacts& b);

// The number of segments to begin with: the largest common divisor of both depths up to 8 if it is
// at least 3, else min(6, the smaller depth) with uneven segments.
std::int64_t suggested_segments(std::int64_t blocks_a, std::int64_t blocks_b);

// The findings as lines, and a piece of configuration that joins the two.
std::string fit_text(const ModelFacts& a, const ModelFacts& b);

}  // namespace peryton
