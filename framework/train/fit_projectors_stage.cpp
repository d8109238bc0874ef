// Body of fit_projectors: projectors in closed form, and the loss that they start from beside
// random and
// identity projectors.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "framework/data/prepare.h"
#include "framework/hybrid/batching.h"
#include "framework/search/projector_fit.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "framework/train/precision.h"
#include "framework/train/stage_bodies.h"
#include "framework/train/validation.h"

namespace peryton {
namespace {

std::int64_t rows_to_collect(const StageConfig& stage) {
  const BudgetConfig& budget = stage.budget;
  const std::int64_t tokens =
      budget.steps > 0 ? budget.steps * stage.settings.tokens_per_step() : budget.tokens;
  return std::max<std::int64_t>(1, tokens / stage.settings.sequence);
}

void collect_rows(StageContext& context, const TokenSource& source, ProjectorFit& fit) {
  const std::int64_t rows = rows_to_collect(context.stage);
  std::vector<TokenRow> batch;
  const auto flush = [&] {
    if (!batch.empty()) fit.collect(make_request(batch).batch);
    batch.clear();
  };
  for (std::int64_t i = context.world.rank(); i < rows; i += context.world.size()) {
    batch.push_back(source.sample(i, static_cast<int>(context.stage.settings.sequence)));
    if (batch.size() == 8) flush();
  }
  flush();
}

}  // namespace

StageResult run_fit_projectors_stage(StageContext& context) {
  const kernels::Context team{.device = {}, .threads = context.threads};
  const PreparedData data = open_prepared_data(context.inputs.at("data"));
  const TokenSource source = training_source(data, context.config.run.seed);
  const FamilyRegistry registry = all_families();
  StoredModel stored = build_model(context, registry, dtype_of(context.stage.settings.precision),
                                   source.vocabulary_size());
  stored.tokenizer = data.tokenizer;
  for (const ParameterPtr& parameter : stored.model->parameters()) parameter->trainable = false;
  pack_frozen(stored, /*saved_again=*/true);

  const auto measure = [&]() -> double {
    if (data.validation.empty()) return std::nan("");
    const EvaluationRows rows(TokenFile::open(data.validation),
                              static_cast<int>(context.stage.settings.sequence));
    return validation_loss(*stored.model,
                           {.rows = rows, .max_tokens = context.stage.settings.validation.tokens},
                           context.world, team);
  };
  StageResult result;
  stored.hybrid->initialise_projectors(ProjectorStart::kRandom, context.config.run.seed);
  result.extra["initial_loss"]["random"] = measure();
  stored.hybrid->initialise_projectors(ProjectorStart::kIdentity, context.config.run.seed);
  result.extra["initial_loss"]["identity"] = measure();

  if (asked_to_stop(context)) return {.status = StageStatus::kStopped};
  ProjectorFit fit(*stored.hybrid, team);
  collect_rows(context, source, fit);
  if (asked_to_stop(context)) return {.status = StageStatus::kStopped};
  fit.finish(context.world, context.stage.ridge);
  result.final_loss = result.best_loss = measure();
  result.extra["initial_loss"]["fitted"] = result.final_loss;
  result.extra["alpha"] = stored.hybrid->alpha();
  result.extra["parameters"] = parameter_count(*stored.model);
  result.tokens = rows_to_collect(context.stage) * context.stage.settings.sequence;
  // Every component runs forward once; the regressions are small beside it.
  result.flops = static_cast<double>(result.tokens) *
                 stored.model->forward_flops_per_token(context.stage.settings.sequence).total();
  result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  result.outputs = {"model"};
  if (context.world.rank() == 0) save_model(stored, context.stage_folder / "model");
  context.world.barrier();
  return result;
}

}  // namespace peryton
