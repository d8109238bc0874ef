// SPDX-License-Identifier: Apache-2.0
#include "launch/pipeline/decision.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// What an earlier stage gives to this one: its outputs, or only a number.
std::string given_by(const StageConfig& stage, const std::string& name,
                     const StageManifest& manifest) {
  if (!contains(stage.budget_only, name)) return manifest.output_hash;
  if (stage.budget.match == MatchBy::kTokens) return fmt::format("{} tokens", manifest.tokens);
  return fmt::format("{} flops", manifest.flops);
}

StageIdentity identity_of(const RunConfig& config, const StageConfig& stage,
                          const fs::path& run_folder) {
  StageIdentity identity{relevant_config(config, stage), external_inputs(config, stage)};
  for (const std::string& name : stage.needs) {
    const auto manifest = read_stage_manifest(stages_folder(run_folder) / name);
    PERYTON_CHECK(manifest.has_value(), "stage '{}' needs '{}', which is not done", stage.name,
                  name);
    identity.inputs["stage " + name] = given_by(stage, name, *manifest);
  }
  return identity;
}

}  // namespace

Decision decide(const RunConfig& config, const StageConfig& stage, const fs::path& run_folder) {
  const fs::path folder = stages_folder(run_folder) / stage.name;
  Decision decision;
  decision.identity = identity_of(config, stage, run_folder);
  if (const auto manifest = read_stage_manifest(folder)) {
    decision.reason = difference(manifest->identity, decision.identity);
    const std::string missing = missing_output(folder, *manifest);
    if (decision.reason.empty() && missing.empty()) {
      decision.action = Decision::Action::kSkip;
      decision.reason = "done";
    } else if (decision.reason.empty()) {
      decision.reason = "its output '" + missing + "' is missing or damaged";
    }
    return decision;
  }
  const auto state = read_state(folder);
  decision.reason =
      fs::exists(folder / "manifest.json") ? "its manifest is damaged" : "no result yet";
  if (!state) return decision;
  const std::string changed = difference(state->identity, decision.identity);
  if (changed.empty()) {
    decision.action = Decision::Action::kResume;
    decision.reason = state->status == "failed" ? "it failed before" : "it was interrupted";
  } else {
    decision.reason = changed;
  }
  return decision;
}

Decision preview(const RunConfig& config, const StageConfig& stage, const fs::path& run_folder,
                 const std::vector<std::string>& not_done) {
  for (const std::string& name : stage.needs) {
    if (!contains(not_done, name)) continue;
    Decision decision;
    const bool done = read_stage_manifest(stages_folder(run_folder) / stage.name).has_value();
    decision.reason = done ? "if the outputs of '" + name + "' change" : "no result yet";
    return decision;
  }
  return decide(config, stage, run_folder);
}

}  // namespace peryton
