// SPDX-License-Identifier: Apache-2.0
#include "framework/config/reader.h"

namespace peryton {
namespace {

bool reads_text(const StageConfig& stage) {
  if (stage.kind == StageKind::kGenerate) return stage.generate.prompts.empty();
  return stage.trains() || stage.kind == StageKind::kFitProjectors ||
         stage.kind == StageKind::kEvaluate;
}

StageConfig data_stage(const RunConfig& config, const Node& root) {
  StageConfig stage;
  stage.name = "data";
  stage.kind = StageKind::kData;
  stage.where = root.where_of_key("data");
  stage.settings = config.train;
  return stage;
}

}  // namespace

void link_stages(const std::vector<WrittenStage>& written, const Node& root, RunConfig& config) {
  std::vector<StageInstance> stages = expand_stages(written, config);
  link_references(stages, written, config);
  if (!order_stages(stages, written, config)) return;
  if (!config.data.sources.empty()) config.stages.push_back(data_stage(config, root));
  for (StageInstance& stage : stages) {
    if (config.data.sources.empty() && reads_text(stage.config)) {
      written[stage.source].node.mistake(
          "the stage '" + stage.config.name + "' reads text, and there is none",
          "add data: {sources: [{path: my.jsonl, field: text}]}");
    }
    config.stages.push_back(std::move(stage.config));
  }
}

}  // namespace peryton
