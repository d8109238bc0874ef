// SPDX-License-Identifier: Apache-2.0
#include "framework/train/train_stage.h"

#include <csignal>
#include <cstdlib>

#include "framework/comm/mesh.h"
#include "framework/data/prepare.h"
#include "framework/train/budget.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "framework/train/precision.h"
#include "framework/train/trainer.h"

namespace peryton {
namespace {

StageResult result_of(const Trainer& trainer, TrainingEnd end, const StoredModel& stored) {
  const TrainingProgress& progress = trainer.progress();
  StageResult result;
  result.status = end == TrainingEnd::kDone ? StageStatus::kDone : StageStatus::kStopped;
  result.steps = progress.step;
  result.tokens = progress.tokens;
  result.flops = progress.flops;
  result.seconds = progress.seconds;
  result.final_loss = progress.validation >= 0 ? progress.validation : progress.loss;
  result.best_loss = progress.best_validation >= 0 ? progress.best_validation : progress.loss;
  result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  result.resumed_from = trainer.resumed_from();
  result.outputs = {"model"};
  result.extra["parameters"] = parameter_count(*stored.model);
  result.extra["trainable_parameters"] = parameter_count(*stored.model, true);
  if (stored.hybrid != nullptr) result.extra["alpha"] = stored.hybrid->alpha();
  return result;
}

void remember_changed(StoredModel& stored) {
  if (stored.hybrid == nullptr) return;
  for (const ParameterPtr& parameter : stored.hybrid->parameters()) {
    if (parameter->trainable) stored.changed.insert(parameter->name);
  }
}

}  // namespace

std::function<void(std::string_view)> fault_point_from_environment() {
  const char* text = std::getenv("PERYTON_FAULT");
  if (text == nullptr || *text == '\0') return {};
  const std::string setting(text);
  const std::size_t colon = setting.find(':');
  const std::string name = setting.substr(0, colon);
  auto left = std::make_shared<int>(
      colon == std::string::npos ? 1 : std::atoi(setting.c_str() + colon + 1));
  return [name, left](std::string_view point) {
    if (point == name && --*left == 0) std::raise(SIGKILL);
  };
}

StageResult run_train_stage(StageContext& context) {
  const ParallelConfig& parallel = context.config.parallel;
  Mesh mesh(context.world, {static_cast<int>(parallel.data), static_cast<int>(parallel.component),
                            static_cast<int>(parallel.tensor)});
  const PreparedData data = open_prepared_data(context.inputs.at("data"));
  const TokenSource train = training_source(data, context.config.run.seed);
  const FamilyRegistry registry = all_families();
  const PrecisionChoice precision = choose_precision(context, registry, train.vocabulary_size());
  StoredModel stored =
      build_model(context, registry, dtype_of(precision.weights), train.vocabulary_size());
  stored.tokenizer = data.tokenizer;
  freeze_for_stage(context, stored);
  pack_frozen(stored, /*saved_again=*/true);

  const auto length = static_cast<int>(context.stage.settings.sequence);
  std::unique_ptr<EvaluationRows> validation;
  std::unique_ptr<TokenSource> alpha_source;
  if (!data.validation.empty()) {
    const auto file = TokenFile::open(data.validation);
    validation = std::make_unique<EvaluationRows>(file, length);
    const bool alternates =
        context.stage.kind == StageKind::kSearch && context.stage.mode == SearchMode::kAlternating;
    if (alternates) {
      alpha_source = std::make_unique<TokenSource>(
          std::vector<WeightedTokenFile>{{.file = file, .weight = 1}}, context.config.run.seed);
    }
  }
  Trainer trainer(
      {.model = *stored.model,
       .stage = context.stage,
       .steps = stage_steps(context, *stored.model),
       .train = train,
       .alpha_source = alpha_source.get(),
       .validation = validation.get(),
       .precision = precision.weights,
       .ranks = mesh.data(),
       .context = {.device = {}, .threads = context.threads, .bf16_dots = precision.bf16_dots},
       .folder = context.stage_folder,
       .stop = [&] { return context.stop.load(); },
       .is_terminal = context.is_terminal,
       .at_point = fault_point_from_environment()});
  const TrainingEnd end = trainer.run();
  const StageResult result = result_of(trainer, end, stored);
  if (end == TrainingEnd::kDone && context.world.rank() == 0) {
    remember_changed(stored);
    save_model(stored, context.stage_folder / "model");
  }
  context.world.barrier();
  return result;
}

}  // namespace peryton
