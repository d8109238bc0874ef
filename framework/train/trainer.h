// The loop of a training stage: sample, forward, backward with gradients reduced meanwhile, update,
// validate, checkpoint. The stage's own choices (groups, alpha, budget) are made before it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "framework/checkpoint/checkpoint.h"
#include "framework/comm/communicator.h"
#include "framework/config/stage_config.h"
#include "framework/data/sampler.h"
#include "framework/hybrid/language_model.h"
#include "framework/optim/adamw.h"
#include "framework/parallel/gradient_buckets.h"
#include "framework/train/metrics/metrics.h"
#include "framework/train/metrics/progress.h"
#include "framework/train/training_state.h"

namespace peryton {

struct TrainerArgs {
  LanguageModel& model;  // frozen as the stage wants it
  const StageConfig& stage;
  std::int64_t steps;
  const TokenSource& train;
  const TokenSource* alpha_source = nullptr;   // alternating search: rows of the alpha steps
  const EvaluationRows* validation = nullptr;  // null: no validation
  Precision precision = Precision::kFp32;      // of the model's weights; kept in checkpoints
  Communicator& ranks;                         // data-parallel
  kernels::Context context;
  std::filesystem::path folder;  // of the stage
  std::function<bool()> stop;    // asked once a step on every rank
  bool is_terminal = false;
  FaultPoint at_point;  // inside saves, for fault trials
};

enum class TrainingEnd { kDone, kStopped };

class Trainer {
 public:
  // Collective. Takes the model's trainables into an arena and resumes from the newest checkpoint.
  explicit Trainer(TrainerArgs args);
  ~Trainer();

  // Collective. On kDone the model holds the final weights (with early stopping: the best ones).
  TrainingEnd run();

  const TrainingProgress& progress() const { return progress_; }
  std::int64_t resumed_from() const { return resumed_from_; }
  const GradientReducer& reducer() const { return reducer_; }

 private:
  struct StepOutcome {
    double loss;
    bool stop;
    std::vector<GroupReport> groups;
  };

  void resume();
  StepOutcome one_step();
  double forward_backward(const std::vector<TokenRow>& rows, double scale, bool last);
  std::vector<std::string> groups_of_step() const;  // empty: all
  void validate();
  void save();
  bool due(const Interval& interval) const;
  bool finished() const;
  void record(const StepOutcome& outcome, double seconds);

  TrainerArgs args_;
  TrainableArena arena_;
  AdamW optimiser_;
  GradientReducer reducer_;
  CheckpointStore store_;
  std::unique_ptr<MetricsWriter> metrics_;  // rank 0
  std::unique_ptr<Progress> console_;       // rank 0
  TrainingProgress progress_;
  double flops_per_token_ = 0;
  std::int64_t resumed_from_ = -1;
  std::int64_t saved_step_ = -1;
};

}  // namespace peryton
