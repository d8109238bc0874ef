// What each stage reads, and the order that follows from it.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "framework/config/reader.h"

namespace peryton {
namespace {

class Orderer {
 public:
  Orderer(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
          const RunConfig& config)
      : stages_(stages), written_(written), config_(config) {
    for (std::size_t i = 0; i < stages.size(); ++i) index_[stages[i].config.name] = i;
  }

  bool order() {
    for (std::size_t i = 0; i < stages_.size(); ++i) find_component_stages(i);
    if (!sort()) return false;
    std::vector<StageInstance> sorted;
    for (const std::size_t i : sorted_) {
      gather_needs(stages_[i].config);
      sorted.push_back(stages_[i]);
    }
    stages_ = std::move(sorted);
    return true;
  }

 private:
  const StageConfig* stage(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &stages_[found->second].config;
  }

  // A hybrid that starts afresh takes each component from the latest stage before it that made it.
  // One that goes on from a stage inherits (gather_needs).
  void find_component_stages(std::size_t index) {
    StageConfig& config = stages_[index].config;
    if (config.model != kHybridModel || !config.after.empty()) return;
    for (std::size_t i = 0; i < index; ++i) {
      const StageConfig& other = stages_[i].config;
      const auto& parts = config_.hybrid.components;
      const bool is_part = std::find(parts.begin(), parts.end(), other.model) != parts.end();
      if (is_part && other.makes_model()) config.component_stages[other.model] = other.name;
    }
  }

  // Models that the stage itself names, without what those were made from.
  std::vector<std::string> named_models(const StageConfig& config) const {
    std::vector<std::string> names;
    if (!config.after.empty()) names.push_back(config.after);
    for (const auto& [component, name] : config.component_stages) names.push_back(name);
    names.insert(names.end(), config.best_of.begin(), config.best_of.end());
    for (const EvaluationRow& row : config.evaluate.rows) {
      names.insert(names.end(), row.models.begin(), row.models.end());
    }
    names.insert(names.end(), config.generate.models.begin(), config.generate.models.end());
    std::erase_if(names, [&](const std::string& name) { return stage(name) == nullptr; });
    return names;
  }

  bool sort() {
    state_.assign(stages_.size(), 0);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (!visit(i)) return false;
    }
    return true;
  }

  // Depth first; keeps the order written where it can.
  bool visit(std::size_t index) {
    if (state_[index] == 2) return true;
    path_.push_back(stages_[index].config.name);
    if (state_[index] == 1) {
      complain_about_cycle(index);
      return false;
    }
    state_[index] = 1;
    std::vector<std::string> names = named_models(stages_[index].config);
    const auto& of = stages_[index].config.budget.of;
    names.insert(names.end(), of.begin(), of.end());
    for (const std::string& name : names) {
      if (!visit(index_.at(name))) return false;
    }
    path_.pop_back();
    state_[index] = 2;
    sorted_.push_back(index);
    return true;
  }

  void complain_about_cycle(std::size_t index) {
    const auto begin = std::find(path_.begin(), path_.end(), path_.back());
    std::string text;
    for (auto name = begin; name != path_.end(); ++name) {
      text += (name == begin ? "" : " -> ") + *name;
    }
    written_[stages_[index].source].node.mistake(
        "stages wait for each other: " + text, "look at 'after', 'of' and the order of the stages");
  }

  void gather_needs(StageConfig& config) {
    const StageConfig* start = stage(config.after);
    if (start != nullptr && config.model == kHybridModel)
      config.component_stages = start->component_stages;
    std::set<std::string> models;
    for (const std::string& name : named_models(config)) {
      models.insert(name);
      const auto& behind = made_from_[name];
      models.insert(behind.begin(), behind.end());
    }
    made_from_[config.name] = models;
    const bool has_data = !config_.data.sources.empty();
    if (has_data) config.needs.push_back("data");
    for (const std::size_t i : sorted_) {
      const std::string& name = stages_[i].config.name;
      const auto& of = config.budget.of;
      const bool in_budget = std::find(of.begin(), of.end(), name) != of.end();
      if (models.count(name) == 0 && !in_budget) continue;
      config.needs.push_back(name);
      if (models.count(name) == 0) config.budget_only.push_back(name);
    }
  }

  std::vector<StageInstance>& stages_;
  const std::vector<WrittenStage>& written_;
  const RunConfig& config_;
  std::map<std::string, std::size_t> index_;
  std::vector<int> state_;  // 0 not seen, 1 on the path, 2 done
  std::vector<std::string> path_;
  std::vector<std::size_t> sorted_;
  std::map<std::string, std::set<std::string>> made_from_;  // closure of the models behind a stage
};

}  // namespace

bool order_stages(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
                  const RunConfig& config) {
  return Orderer(stages, written, config).order();
}

}  // namespace peryton
