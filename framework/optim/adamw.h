// AdamW over the arena, each group with its own settings, after clipping by the group's gradient
// norm. alpha groups may use exponentiated gradient instead (exponentiated_gradient.h).
//
// With update number t (from 1, counted per group), learning rate l = learning_rate *
// schedule(step), gradient g:
//   g := g * min(1, clip / norm(g over the group))
//   w := w (1 - l weight_decay)                      for parameters that decay
//   m := m + (1 - beta1) (g - m);  v := beta2 v + (1 - beta2) g^2
//   w := w - l / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
// (Loshchilov & Hutter 2019.) Any number of threads gives the same bits.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "framework/optim/arena.h"
#include "framework/optim/schedule.h"

namespace peryton {

enum class UpdateRule { kAdamW, kExponentiatedGradient };

struct GroupSettings {
  UpdateRule rule = UpdateRule::kAdamW;
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay =
      0.0;            // never applied to the group "alpha" or to parameters with decays == false
  double clip = 0.0;  // largest gradient norm of the group; 0: no clipping
  Schedule schedule = {};
};

// What happened to one group in a step; for metrics.
struct GroupReport {
  std::string group;
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;  // with the schedule's factor
};

class AdamW {
 public:
  // Every group of the arena needs settings; others are ignored. The arena must outlive the
  // optimiser.
  AdamW(TrainableArena& arena, std::map<std::string, GroupSettings> settings);

  // One update of the named groups (empty: all) from the arena's gradients times `gradient_scale`;
  // then zeroes all gradients and refreshes the working copies. `step` (from 0) drives the
  // schedules only. A gradient that is not finite: Error naming the first such parameter; weights,
  // moments and counts are untouched.
  std::vector<GroupReport> step(std::int64_t step, const kernels::Context& context,
                                const std::vector<std::string>& groups = {},
                                double gradient_scale = 1.0);

  GroupSettings& settings(const std::string& group);
  // Updates done so far per group: the only state beside the arena. For checkpoints.
  const std::map<std::string, std::int64_t>& updates() const { return updates_; }
  void restore_updates(const std::map<std::string, std::int64_t>& updates);

 private:
  struct Plan {  // one group of one step
    std::string group;
    double learning_rate, clip_factor;
  };
  void update_group(const Plan& plan, double gradient_scale, const kernels::Context& context);

  TrainableArena& arena_;
  std::map<std::string, GroupSettings> settings_;
  std::map<std::string, std::int64_t> updates_;
};

}  // namespace peryton
