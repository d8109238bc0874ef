// SPDX-License-Identifier: Apache-2.0
#include "framework/train/trainer.h"

#include <array>
#include <chrono>
#include <cmath>

#include "framework/config/enum_names.h"
#include "framework/hybrid/batching.h"
#include "framework/train/machine.h"
#include "framework/train/optimiser_settings.h"
#include "framework/train/validation.h"

namespace peryton {
namespace {

CheckpointOptions store_options(const TrainerArgs& args) {
  return {.keep_last = static_cast<int>(args.stage.settings.checkpoint.keep_last),
          .keep_best = static_cast<int>(args.stage.settings.checkpoint.keep_best),
          .at_point = args.at_point};
}

}  // namespace

Trainer::Trainer(TrainerArgs args)
    : args_(std::move(args)),
      arena_(args_.model.parameters()),
      optimiser_(arena_, optimiser_settings(args_.stage, args_.steps)),
      reducer_(arena_, args_.ranks),
      store_(args_.folder / "checkpoints", store_options(args_)),
      flops_per_token_(
          args_.model.forward_flops_per_token(args_.stage.settings.sequence).training()) {
  resume();
  if (args_.ranks.rank() != 0) return;
  metrics_ = open_metrics(args_.folder.string(), progress_.step);
  console_ =
      std::make_unique<Progress>(args_.stage.name, args_.steps, progress_.step, stderr,
                                 args_.is_terminal ? ProgressStyle::kBar : progress_style(stderr));
}

Trainer::~Trainer() = default;

void Trainer::resume() {
  std::int64_t step = -1;
  if (args_.ranks.rank() == 0) {
    if (const auto latest = store_.latest()) step = latest->step();
  }
  args_.ranks.broadcast(std::span<std::int64_t>(&step, 1));
  if (step < 0) return;
  const Checkpoint checkpoint = Checkpoint::open(store_.folder_of(step));
  restore(checkpoint, arena_, optimiser_, args_.context);
  progress_ = training_progress_from_json(checkpoint.state().at("progress"));
  resumed_from_ = saved_step_ = step;
}

std::vector<std::string> Trainer::groups_of_step() const {
  if (args_.alpha_source == nullptr) return {};
  if (progress_.step % 2 == 1) return {"alpha"};
  std::vector<std::string> others;
  for (const std::string& group : arena_.groups()) {
    if (group != "alpha") others.push_back(group);
  }
  return others;
}

double Trainer::forward_backward(const std::vector<TokenRow>& rows, double scale, bool last) {
  LossRequest request = make_request(rows);
  request.scale = scale;
  request.step = progress_.step;
  request.recompute = args_.stage.settings.recompute;
  Tape tape(args_.context);
  reducer_.begin(last);
  tape.on_gradient_ready(reducer_.listener());
  const HeadLoss result = args_.model.loss(tape, request);
  tape.backward(result.loss);
  reducer_.backward_ended();
  double sum = 0;
  for (const double nll : result.nll) sum += nll;
  return sum;
}

Trainer::StepOutcome Trainer::one_step() {
  const TrainConfig& settings = args_.stage.settings;
  const std::vector<std::string> groups = groups_of_step();
  const bool alpha_step = args_.alpha_source != nullptr && progress_.step % 2 == 1;
  const TokenSource& source = alpha_step ? *args_.alpha_source : args_.train;

  const std::int64_t mine = settings.global_batch / args_.ranks.size();
  const std::int64_t first = progress_.step * settings.global_batch + args_.ranks.rank() * mine;
  std::vector<TokenRow> rows;
  for (std::int64_t i = 0; i < mine; ++i) {
    rows.push_back(source.sample(first + i, static_cast<int>(settings.sequence)));
  }
  const std::int64_t targets = args_.ranks.sum(target_count(rows));
  const double scale = targets > 0 ? 1.0 / static_cast<double>(targets) : 0.0;

  // One sum per row, so that the logged loss does not depend on how rows are grouped.
  const std::int64_t micro = std::min(settings.micro_batch > 0 ? settings.micro_batch : mine, mine);
  std::array<double, 2> sums{};  // nats, ranks that want to stop
  for (std::int64_t begin = 0; begin < mine; begin += micro) {
    const std::int64_t end = std::min(mine, begin + micro);
    sums[0] += forward_backward({rows.begin() + begin, rows.begin() + end}, scale, end == mine);
  }
  reducer_.finish();
  sums[1] = args_.stop && args_.stop() ? 1 : 0;
  args_.ranks.all_reduce(std::span<double>(sums));
  const double loss = sums[0] * scale;
  if (!std::isfinite(loss)) {
    throw Error(ErrorKind::kSystem,
                fmt::format("the loss of step {} is not finite", progress_.step + 1),
                args_.stage.where, "lower the learning rate, or clip more");
  }
  StepOutcome outcome{loss, sums[1] > 0, optimiser_.step(progress_.step, args_.context, groups)};
  ++progress_.step;
  progress_.tokens += settings.tokens_per_step();
  progress_.flops += flops_per_token_ * static_cast<double>(settings.tokens_per_step());
  progress_.loss = loss;
  return outcome;
}

bool Trainer::due(const Interval& interval) const {
  const std::int64_t every = interval.in_steps(args_.steps);
  return every > 0 && progress_.step % every == 0;
}

bool Trainer::finished() const {
  const std::int64_t patience = args_.stage.settings.early_stopping.patience;
  return progress_.step >= args_.steps ||
         (patience > 0 && progress_.validations_without_gain >= patience);
}

void Trainer::validate() {
  const TrainConfig& settings = args_.stage.settings;
  progress_.validation =
      validation_loss(args_.model,
                      {.rows = *args_.validation,
                       .max_tokens = settings.validation.tokens,
                       .micro_batch = settings.micro_batch > 0 ? settings.micro_batch : 8},
                      args_.ranks, args_.context);
  const bool gained =
      progress_.best_validation < 0 ||
      progress_.validation < progress_.best_validation - settings.early_stopping.minimum_gain;
  progress_.validations_without_gain = gained ? 0 : progress_.validations_without_gain + 1;
  if (!gained) return;
  progress_.best_validation = progress_.validation;
  progress_.best_step = progress_.step;
}

void Trainer::save() {
  if (saved_step_ == progress_.step) return;
  saved_step_ = progress_.step;
  if (args_.ranks.rank() == 0) {
    metrics_->flush();
    std::map<std::string, std::int64_t> updates = optimiser_.updates();
    const bool validated = args_.validation != nullptr && progress_.validation >= 0;
    store_.save(progress_.step, checkpoint_tensors(arena_),
                {.state = {{"progress", to_json(progress_)},
                           {"updates", updates},
                           {"precision", name_of(args_.precision)},
                           {"bf16_dots", args_.context.bf16_dots},
                           {"world", args_.ranks.size()}},
                 .metric = validated ? std::optional(progress_.validation) : std::nullopt,
                 .refers_to = {}});
  }
  // Nobody runs ahead of a checkpoint that may fail.
  args_.ranks.barrier();
}

void Trainer::record(const StepOutcome& outcome, double seconds) {
  if (args_.ranks.rank() != 0) return;
  StepMetrics metrics;
  metrics.step = progress_.step;
  metrics.tokens = progress_.tokens;
  metrics.loss = outcome.loss;
  for (const GroupReport& group : outcome.groups) {
    metrics.learning_rate.emplace_back(group.group, group.learning_rate);
    metrics.gradient_norm.emplace_back(group.group, group.gradient_norm);
  }
  metrics.tokens_per_second = static_cast<double>(args_.stage.settings.tokens_per_step()) / seconds;
  const double peak = peak_flops_per_second(args_.context) * args_.ranks.size();
  metrics.model_flop_utilisation = metrics.tokens_per_second * flops_per_token_ / peak;
  metrics.memory_bytes = peak_resident_bytes();
  metrics.alpha = args_.model.alpha();
  if (args_.validation != nullptr && due(args_.stage.settings.validation.every)) {
    metrics.extra.emplace_back("validation_loss", progress_.validation);
  }
  if (progress_.step % args_.stage.settings.log_every == 0 || finished()) metrics_->write(metrics);
  console_->update(progress_.step, outcome.loss, metrics.tokens_per_second);
}

TrainingEnd Trainer::run() {
  using Clock = std::chrono::steady_clock;
  while (!finished()) {
    const auto start = Clock::now();
    const StepOutcome outcome = one_step();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const bool last = progress_.step >= args_.steps;
    const bool validates =
        args_.validation != nullptr && (due(args_.stage.settings.validation.every) || last);
    if (validates) validate();
    progress_.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    record(outcome, seconds);
    if (due(args_.stage.settings.checkpoint.every) || outcome.stop || validates || finished())
      save();
    if (outcome.stop && !finished()) return TrainingEnd::kStopped;
  }
  save();
  const bool use_best = args_.stage.settings.early_stopping.patience > 0 &&
                        progress_.best_step >= 0 && progress_.best_step != progress_.step;
  if (use_best) {
    restore_weights(Checkpoint::open(store_.folder_of(progress_.best_step)), arena_, args_.context);
  }
  if (console_) console_->finish();
  return TrainingEnd::kDone;
}

}  // namespace peryton
