// SPDX-License-Identifier: Apache-2.0
#include "framework/train/optimiser_settings.h"

namespace peryton {
namespace {

ScheduleKind kind_of(SchedulePolicy policy) {
  switch (policy) {
    case SchedulePolicy::kConstant:
      return ScheduleKind::kConstant;
    case SchedulePolicy::kCosine:
      return ScheduleKind::kCosine;
    case SchedulePolicy::kLinear:
      return ScheduleKind::kLinear;
    case SchedulePolicy::kWsd:
      return ScheduleKind::kWsd;
  }
  return ScheduleKind::kConstant;
}

GroupSettings stage_settings(const TrainConfig& config, std::int64_t total_steps) {
  GroupSettings settings;
  settings.learning_rate = config.lr;
  settings.beta1 = config.beta1;
  settings.beta2 = config.beta2;
  settings.epsilon = config.epsilon;
  settings.weight_decay = config.weight_decay;
  settings.clip = config.clip;
  settings.schedule = {.kind = kind_of(config.schedule),
                       .total_steps = total_steps,
                       .warmup_steps = config.warmup.in_steps(total_steps),
                       .decay_steps = config.decay.in_steps(total_steps),
                       .minimum_ratio = config.lr_end};
  return settings;
}

void make_alpha(GroupSettings& settings, const StageConfig& stage) {
  const AlphaConfig alpha = stage.alpha.value_or(AlphaConfig{});
  settings.learning_rate = alpha.lr;
  settings.weight_decay = 0;
  settings.schedule.kind = ScheduleKind::kConstant;
  settings.schedule.warmup_steps = 0;
  if (alpha.method == AlphaMethod::kSimplex) settings.rule = UpdateRule::kExponentiatedGradient;
}

}  // namespace

std::map<std::string, GroupSettings> optimiser_settings(const StageConfig& stage,
                                                        std::int64_t total_steps) {
  std::map<std::string, GroupSettings> all;
  for (const std::string& group : stage.train) {
    GroupSettings settings = stage_settings(stage.settings, total_steps);
    if (group == "alpha") make_alpha(settings, stage);
    if (const auto own = stage.settings.groups.find(group); own != stage.settings.groups.end()) {
      settings.learning_rate = own->second.lr.value_or(settings.learning_rate);
      settings.weight_decay = own->second.weight_decay.value_or(settings.weight_decay);
      settings.clip = own->second.clip.value_or(settings.clip);
    }
    all.emplace(group, settings);
  }
  return all;
}

}  // namespace peryton
