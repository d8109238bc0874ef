// The readers of the sections of a pipeline's YAML, in the order in which they run. Each reads one
// map, fills in what is there, and adds what is wrong to the mistakes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/config/node.h"
#include "framework/config/run_config.h"

namespace peryton {

void read_run(const Node& map, RunSettings& run);
void read_components(const Node& map, std::vector<ComponentConfig>& components);
void read_data(const Node& map, const std::vector<ComponentConfig>& components, DataSettings& data);
void read_alpha(const Node& map, AlphaConfig& alpha);
void read_hybrid(const Node& map, const std::vector<ComponentConfig>& components,
                 HybridConfig& hybrid);
void read_parallel(const Node& map, ParallelConfig& parallel);

// The keys of `train:` that say how batches are cut; all of them; both leave map.finish() to the
// caller.
void read_batch(const Node& map, TrainConfig& train);
void read_train(const Node& map, TrainConfig& train);

// A stage as written: names of other stages are not looked up yet.
struct WrittenStage {
  StageConfig config;  // budget.of, after, best_of, evaluate.rows, generate.models as written
  std::vector<std::string> each;  // one stage for each of these models
  bool named = false;             // has a `name:` of its own
  Node node;                      // for places of mistakes
};
std::vector<WrittenStage> read_stages(const Node& list, const TrainConfig& defaults);

// Expands `each:`, gives names, looks up names of other stages, fills in what a stage starts from,
// and sorts: the implicit data stage, then every stage after all that it needs.
void link_stages(const std::vector<WrittenStage>& written, const Node& root, RunConfig& config);

// One stage after `each:`; `source` is its index among the written ones.
struct StageInstance {
  StageConfig config;
  std::size_t source = 0;
  std::string base;  // name before `each:` added the model's
};
// Names, models and trained groups (link_stages.cpp calls these three in order).
std::vector<StageInstance> expand_stages(const std::vector<WrittenStage>& written,
                                         const RunConfig& config);
// after, best_of, of, rows.
void link_references(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
                     const RunConfig& config);
// component_stages, needs, order. False when there is a cycle, which is then among the mistakes.
bool order_stages(std::vector<StageInstance>& stages, const std::vector<WrittenStage>& written,
                  const RunConfig& config);

// What one section alone cannot know: shapes of α, groups that do not exist, batches that cannot be
// cut. Also fills in micro_batch where it is 0.
void check_config(const Node& root, const std::vector<WrittenStage>& written, RunConfig& config);

}  // namespace peryton
