// What the evaluation says, in words, and no more than it says.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/config/run_config.h"
#include "launch/report/summary.h"

namespace peryton {

enum class Outcome { kUnknown, kBetter, kTie, kWorse };

// How the first row of the evaluation compares with `row`: a tie where the interval of the
// difference holds zero, unknown without an interval.
Outcome outcome_against(const EvaluationSummary& row);

struct Verdict {
  Outcome outcome = Outcome::kUnknown;  // against the row that the headline names
  std::string headline;
  std::vector<std::string> comparisons;  // a sentence per other row
  std::vector<std::string> caveats;      // what the figures cannot tell
};

Verdict verdict_of(const RunConfig& config, const RunSummary& summary);

}  // namespace peryton
