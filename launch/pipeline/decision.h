// Which stages run, and why.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/config/run_config.h"
#include "launch/pipeline/records.h"

namespace peryton {

struct Decision {
  enum class Action { kSkip, kStart, kResume };
  Action action = Action::kStart;
  std::string reason;      // "done", "no result yet", "its setting 'lr' changed", ...
  StageIdentity identity;  // as it would be recorded
};

// For one stage, given that the stages it needs are done; what it needs and is not done is an
// internal error.
Decision decide(const RunConfig& config, const StageConfig& stage,
                const std::filesystem::path& run_folder);
// The same for a dry run, where earlier stages may not be done: then the stage waits for them, and
// its identity is incomplete.
Decision preview(const RunConfig& config, const StageConfig& stage,
                 const std::filesystem::path& run_folder, const std::vector<std::string>& not_done);

}  // namespace peryton
