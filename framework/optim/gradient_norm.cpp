// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/gradient_norm.h"

#include <cmath>

#include "kernels/adamw/adamw.h"

namespace peryton {

double slot_square_sum(const TrainableArena& arena, int slot, const kernels::Context& context) {
  const ArenaRange range = arena.slots()[static_cast<std::size_t>(slot)].range;
  std::vector<double> partials(static_cast<std::size_t>(kernels::square_blocks(range.size())));
  const auto measure = [&](auto tag) {
    using T = typename decltype(tag)::type;
    const kernels::SquaresArgs<T> args{.values = arena.gradients().data<T>() + range.begin,
                                       .count = range.size(),
                                       .partials = partials.data()};
    kernels::cpu::square_partials(args, context);
  };
  if (arena.dtype() == DType::kFloat64) {
    measure(TypeTag<double>{});
  } else {
    measure(TypeTag<float>{});
  }
  return kernels::tree_sum(partials.data(), static_cast<std::int64_t>(partials.size()));
}

double group_gradient_norm(const TrainableArena& arena, const std::string& group,
                           const kernels::Context& context) {
  const std::vector<int> slots = arena.slots_of_group(group);
  std::vector<double> squares;
  for (const int slot : slots) squares.push_back(slot_square_sum(arena, slot, context));
  const double norm =
      std::sqrt(kernels::tree_sum(squares.data(), static_cast<std::int64_t>(squares.size())));
  if (std::isfinite(norm)) return norm;
  // Slots lie in reverse order of execution. Finite sums that overflow together blame the group.
  std::string culprit = "the group " + group;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (std::isfinite(squares[i])) continue;
    culprit = arena.slots()[static_cast<std::size_t>(slots[i])].parameter->name;
  }
  throw Error(
      ErrorKind::kSystem,
      fmt::format("the gradient of {} is not finite (norm of group {}: {})", culprit, group, norm),
      "", "the weights are those of the step before; try a smaller learning rate or clip");
}

}  // namespace peryton
