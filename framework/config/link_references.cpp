// Names of other stages in a stage: what it starts from, whose budget it matches, which models it
// shows.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "framework/config/reader.h"

namespace peryton {
namespace {

class Linker {
 public:
  Linker(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
         const RunConfig& config)
      : stages_(stages), written_(written), config_(config) {}

  void link() {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      link_budget(stages_[i]);
      link_start(i);
    }
    // Defaults below look at what every stage starts from.
    for (StageInstance& stage : stages_) {
      if (stage.config.kind == StageKind::kEvaluate) link_rows(stage);
      if (stage.config.kind == StageKind::kGenerate) link_samples(stage);
    }
  }

 private:
  const Node& node(const StageInstance& stage) const { return written_[stage.source].node; }

  std::vector<std::string> known() const {
    std::vector<std::string> names;
    for (const StageInstance& stage : stages_) {
      if (!stage.config.makes_model()) continue;
      names.push_back(stage.config.name);
      if (stage.base != stage.config.name) names.push_back(stage.base);
    }
    return names;
  }

  const StageInstance* find(const std::string& name) const {
    for (const StageInstance& stage : stages_) {
      if (stage.config.name == name) return &stage;
    }
    return nullptr;
  }

  // The stages that a name stands for: one, or all that `each:` made of it. A stage that makes no
  // model and an unknown name are mistakes.
  std::vector<const StageInstance*> look_up(const std::string& name, const Node& place) const {
    std::vector<const StageInstance*> found;
    for (const StageInstance& stage : stages_) {
      if (stage.config.name == name || stage.base == name) found.push_back(&stage);
    }
    if (found.empty()) {
      place.mistake("'" + place.path() + "' names an unknown stage '" + name + "'",
                    suggest(name, known()));
    } else if (!found.front()->config.makes_model()) {
      place.mistake("'" + place.path() + "': the stage '" + name + "' makes no model");
      found.clear();
    }
    return found;
  }

  std::vector<std::string> names(const std::vector<std::string>& written, const Node& place) const {
    std::vector<std::string> result;
    for (const std::string& name : written) {
      for (const StageInstance* stage : look_up(name, place)) result.push_back(stage->config.name);
    }
    return result;
  }

  void link_budget(StageInstance& stage) {
    BudgetConfig& budget = stage.config.budget;
    if (!budget.of.empty()) budget.of = names(budget.of, node(stage).at("of"));
  }

  void link_start(std::size_t index) {
    StageInstance& stage = stages_[index];
    StageConfig& config = stage.config;
    if (!config.best_of.empty()) return link_best_of(stage);
    if (config.model.empty()) return;
    if (!config.after.empty()) return link_after(stage);
    if (config.kind == StageKind::kPretrain) return;
    for (std::size_t i = 0; i < index;
         ++i) {  // the latest stage before it that made the same model
      const StageConfig& other = stages_[i].config;
      if (other.makes_model() && other.model == config.model) config.after = other.name;
    }
    if (config.after.empty() && config.kind == StageKind::kDiscretise) {
      node(stage).mistake("'" + node(stage).path() +
                          "' has no α to round: no stage before it made a hybrid");
    }
  }

  void link_after(StageInstance& stage) {
    const Node place = node(stage).at("after");
    const std::string written = stage.config.after;
    const auto found = look_up(written, place);
    if (found.empty()) return;
    stage.config.after.clear();
    for (const StageInstance* other : found) {
      if (other->config.model == stage.config.model) stage.config.after = other->config.name;
    }
    if (!stage.config.after.empty()) return;
    place.mistake("'" + stage.config.name + "' is for the model '" + stage.config.model +
                      "' and cannot start from '" + written + "', which is for '" +
                      found.front()->config.model + "'",
                  "name a stage of the same model");
  }

  void link_best_of(StageInstance& stage) {
    const Node place = node(stage).at("model").at("best_of");
    if (!stage.config.after.empty()) {
      node(stage).at("after").mistake(
          "'best_of' starts where the best stage started; remove 'after'");
    }
    stage.config.best_of = names(stage.config.best_of, place);
    for (const std::string& name : stage.config.best_of) {
      const StageConfig& other = find(name)->config;
      if (!other.trains())
        place.mistake("the stage '" + name + "' has no validation loss to compare");
      if (other.model.empty() || other.model == kHybridModel) {
        place.mistake("'best_of' compares components; '" + name + "' is not a stage of one");
      }
    }
  }

  bool is_component(const std::string& name) const {
    return std::any_of(config_.components.begin(), config_.components.end(),
                       [&](const ComponentConfig& component) { return component.name == name; });
  }

  // Stages that no other stage goes on from, the hybrid's first, then components that no stage
  // made.
  std::vector<std::string> final_models() const {
    std::vector<std::string> hybrids, others;
    for (const StageInstance& stage : stages_) {
      if (!stage.config.makes_model()) continue;
      const bool goes_on =
          std::any_of(stages_.begin(), stages_.end(), [&](const StageInstance& other) {
            return other.config.makes_model() && other.config.after == stage.config.name;
          });
      if (goes_on) continue;
      (stage.config.model == kHybridModel ? hybrids : others).push_back(stage.config.name);
    }
    for (const ComponentConfig& component : config_.components) {
      const bool made =
          std::any_of(stages_.begin(), stages_.end(), [&](const StageInstance& stage) {
            return stage.config.model == component.name && stage.config.makes_model();
          });
      if (!made && component.pretrained()) others.push_back(component.name);
    }
    hybrids.insert(hybrids.end(), others.begin(), others.end());
    return hybrids;
  }

  void link_rows(StageInstance& stage) {
    const Node place = node(stage).at("models");
    std::vector<EvaluationRow> rows;
    for (const EvaluationRow& row : stage.config.evaluate.rows) {
      const bool single = row.models.size() == 1;
      EvaluationRow linked{row.name, {}};
      for (const std::string& model : row.models) {
        if (is_component(model)) {
          linked.models.push_back(model);
          continue;
        }
        for (const std::string& name : names({model}, place)) linked.models.push_back(name);
      }
      const bool expands = single && linked.models.size() > 1;
      if (!expands && !linked.models.empty()) rows.push_back(linked);
      for (std::size_t i = 0; expands && i < linked.models.size(); ++i) {
        rows.push_back({linked.models[i], {linked.models[i]}});
      }
    }
    if (!place) {
      for (const std::string& name : final_models()) rows.push_back({name, {name}});
    }
    if (rows.empty() && !place) node(stage).mistake("there is no model to evaluate");
    stage.config.evaluate.rows = rows;
  }

  void link_samples(StageInstance& stage) {
    GenerateConfig& generate = stage.config.generate;
    if (generate.models.empty()) {
      generate.models = final_models();
      return;
    }
    const std::vector<std::string> written = generate.models;
    generate.models.clear();
    for (const std::string& model : written) {
      if (is_component(model)) {
        generate.models.push_back(model);
        continue;
      }
      for (const std::string& name : names({model}, node(stage).at("models"))) {
        generate.models.push_back(name);
      }
    }
  }

  std::vector<StageInstance>& stages_;
  const std::vector<WrittenStage>& written_;
  const RunConfig& config_;
};

}  // namespace

void link_references(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
                     const RunConfig& config) {
  Linker(stages, written, config).link();
}

}  // namespace peryton
