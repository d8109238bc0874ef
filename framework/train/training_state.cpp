// SPDX-License-Identifier: Apache-2.0
#include "framework/train/training_state.h"

namespace peryton {
namespace {

void append(std::vector<NamedTensor>& list, const std::string& prefix,
            const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& tensor : tensors) list.push_back({prefix + tensor.name, tensor.value});
}

void load(const Checkpoint& checkpoint, const std::string& prefix,
          const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& tensor : tensors) {
    if (!checkpoint.contains(prefix + tensor.name)) {
      fail_input(fmt::format("{} is not in the checkpoint", prefix + tensor.name),
                 checkpoint.folder().string(),
                 "the stage's configuration has changed since; delete the stage's folder");
    }
    tensor.value.copy_from(checkpoint.load(prefix + tensor.name));
  }
}

}  // namespace

nlohmann::json to_json(const TrainingProgress& progress) {
  return {{"step", progress.step},
          {"tokens", progress.tokens},
          {"flops", progress.flops},
          {"seconds", progress.seconds},
          {"loss", progress.loss},
          {"validation", progress.validation},
          {"best_validation", progress.best_validation},
          {"best_step", progress.best_step},
          {"validations_without_gain", progress.validations_without_gain}};
}

TrainingProgress training_progress_from_json(const nlohmann::json& json) {
  TrainingProgress progress;
  progress.step = json.at("step");
  progress.tokens = json.at("tokens");
  progress.flops = json.at("flops");
  progress.seconds = json.at("seconds");
  progress.loss = json.at("loss");
  progress.validation = json.at("validation");
  progress.best_validation = json.at("best_validation");
  progress.best_step = json.at("best_step");
  progress.validations_without_gain = json.at("validations_without_gain");
  return progress;
}

std::vector<NamedTensor> checkpoint_tensors(const TrainableArena& arena) {
  std::vector<NamedTensor> list;
  append(list, "weight.", arena.named_weights());
  append(list, "moment1.", arena.named_moment1());
  append(list, "moment2.", arena.named_moment2());
  return list;
}

void restore(const Checkpoint& checkpoint, TrainableArena& arena, AdamW& optimiser,
             const kernels::Context& context) {
  load(checkpoint, "moment1.", arena.named_moment1());
  load(checkpoint, "moment2.", arena.named_moment2());
  optimiser.restore_updates(
      checkpoint.state().at("updates").get<std::map<std::string, std::int64_t>>());
  restore_weights(checkpoint, arena, context);
}

void restore_weights(const Checkpoint& checkpoint, TrainableArena& arena,
                     const kernels::Context& context) {
  load(checkpoint, "weight.", arena.named_weights());
  arena.refresh_working_copies(context);
}

}  // namespace peryton
