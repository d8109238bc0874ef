// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/adamw.h"

#include <algorithm>
#include <cmath>

#include "framework/optim/exponentiated_gradient.h"
#include "framework/optim/gradient_norm.h"
#include "kernels/adamw/adamw.h"

namespace peryton {
namespace {

constexpr const char* kAlphaGroup = "alpha";

bool decays(const Parameter& parameter) {
  return parameter.decays && parameter.group != kAlphaGroup;
}

// Neighbouring slots of one group that decay alike, as one range: padding between them is zero and
// stays zero.
struct Run {
  ArenaRange range;
  bool decays;
};

std::vector<Run> runs_of_group(const TrainableArena& arena, const std::string& group) {
  std::vector<Run> runs;
  int last = -2;
  for (const int slot : arena.slots_of_group(group)) {
    const ArenaSlot& at = arena.slots()[static_cast<std::size_t>(slot)];
    const bool decay = decays(*at.parameter);
    if (slot == last + 1 && runs.back().decays == decay) {
      runs.back().range.end = at.range.end;
    } else {
      runs.push_back({at.range, decay});
    }
    last = slot;
  }
  return runs;
}

}  // namespace

AdamW::AdamW(TrainableArena& arena, std::map<std::string, GroupSettings> settings)
    : arena_(arena), settings_(std::move(settings)) {
  for (const std::string& group : arena_.groups()) {
    PERYTON_CHECK(settings_.contains(group), "no optimiser settings for the group {}", group);
    updates_[group] = 0;
  }
}

GroupSettings& AdamW::settings(const std::string& group) {
  const auto found = settings_.find(group);
  PERYTON_CHECK(found != settings_.end(), "no optimiser settings for the group {}", group);
  return found->second;
}

void AdamW::restore_updates(const std::map<std::string, std::int64_t>& updates) {
  for (auto& [group, count] : updates_) {
    const auto found = updates.find(group);
    PERYTON_CHECK(found != updates.end(), "the saved optimiser has no group {}", group);
    count = found->second;
  }
}

std::vector<GroupReport> AdamW::step(std::int64_t step, const kernels::Context& context,
                                     const std::vector<std::string>& groups,
                                     double gradient_scale) {
  // All norms first: a bad gradient must leave everything as it is.
  std::vector<GroupReport> reports;
  std::vector<Plan> plans;
  for (const std::string& group : groups.empty() ? arena_.groups() : groups) {
    PERYTON_CHECK(updates_.contains(group), "the group {} does not train", group);
    const GroupSettings& settings = settings_.at(group);
    const double norm = std::abs(gradient_scale) * group_gradient_norm(arena_, group, context);
    const double rate = settings.learning_rate * settings.schedule.factor(step);
    const bool clips = settings.clip > 0 && norm > settings.clip;
    plans.push_back({group, rate, clips ? settings.clip / norm : 1.0});
    reports.push_back({.group = group, .gradient_norm = norm, .learning_rate = rate});
  }
  for (const Plan& plan : plans) update_group(plan, gradient_scale, context);
  arena_.zero_gradients();
  arena_.refresh_working_copies(context);
  return reports;
}

void AdamW::update_group(const Plan& plan, double gradient_scale, const kernels::Context& context) {
  const GroupSettings& settings = settings_.at(plan.group);
  const auto update = static_cast<double>(++updates_[plan.group]);
  const double scale = gradient_scale * plan.clip_factor;
  if (settings.rule == UpdateRule::kExponentiatedGradient) {
    for (const int slot : arena_.slots_of_group(plan.group)) {
      exponentiated_gradient(arena_.slot_view(arena_.weights(), slot),
                             arena_.slot_view(arena_.gradients(), slot), plan.learning_rate, scale);
    }
    return;
  }
  const auto run_range = [&](auto tag, const Run& run) {
    using T = typename decltype(tag)::type;
    const auto at = [&](const Tensor& flat) { return flat.data<T>() + run.range.begin; };
    kernels::cpu::adamw(
        kernels::AdamWArgs<T>{
            .weights = at(arena_.weights()),
            .gradients = at(arena_.gradients()),
            .moment1 = at(arena_.moment1()),
            .moment2 = at(arena_.moment2()),
            .count = run.range.size(),
            .gradient_scale = scale,
            .decay = run.decays ? plan.learning_rate * settings.weight_decay : 0.0,
            .beta1 = settings.beta1,
            .beta2 = settings.beta2,
            .epsilon = settings.epsilon,
            .step_size = plan.learning_rate / (1.0 - std::pow(settings.beta1, update)),
            .inverse_root_correction = 1.0 / std::sqrt(1.0 - std::pow(settings.beta2, update))},
        context);
  };
  for (const Run& run : runs_of_group(arena_, plan.group)) {
    if (arena_.dtype() == DType::kFloat64) {
      run_range(TypeTag<double>{}, run);
    } else {
      run_range(TypeTag<float>{}, run);
    }
  }
}

}  // namespace peryton
