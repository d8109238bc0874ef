// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/arena.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace peryton {
namespace {

std::int64_t aligned(std::int64_t elements) {
  constexpr std::int64_t step = TrainableArena::kSlotAlignment;
  return (elements + step - 1) / step * step;
}

DType master_dtype(const std::vector<ArenaSlot>& slots) {
  bool any_double = false, all_double = true;
  for (const ArenaSlot& slot : slots) {
    const Tensor& value = slot.parameter->value;
    const DType dtype = value.dtype();
    PERYTON_CHECK(dtype == DType::kFloat32 || dtype == DType::kBFloat16 || dtype == DType::kFloat64,
                  "{} cannot train as {}", slot.parameter->name, name_of(dtype));
    any_double |= dtype == DType::kFloat64;
    all_double &= dtype == DType::kFloat64;
  }
  PERYTON_CHECK(!any_double || all_double, "trainables mix float64 with shorter dtypes");
  return any_double ? DType::kFloat64 : DType::kFloat32;
}

}  // namespace

TrainableArena::TrainableArena(const std::vector<ParameterPtr>& in_order_of_execution,
                               const ArenaOptions& options) {
  std::unordered_set<const Parameter*> seen;
  for (const ParameterPtr& parameter : in_order_of_execution) {
    if (!parameter->trainable) continue;
    PERYTON_CHECK(parameter->value.defined(), "{} has no value", parameter->name);
    // Tied weights come again where they are used again; their gradient is complete after the first
    // use.
    if (seen.insert(parameter.get()).second) slots_.push_back({parameter, {}});
  }
  std::ranges::reverse(slots_);
  dtype_ = master_dtype(slots_);
  lay_out(options);
}

void TrainableArena::lay_out(const ArenaOptions& options) {
  bool any_copy = false;
  for (ArenaSlot& slot : slots_) {
    slot.range = {elements_, elements_ + slot.parameter->value.elements()};
    elements_ = aligned(slot.range.end);
    const DType original = slot.parameter->value.dtype();
    const bool full = std::ranges::count(options.full_precision_groups, slot.parameter->group) > 0;
    const DType working = full ? dtype_ : options.working.value_or(original);
    PERYTON_CHECK(working == dtype_ || working == DType::kBFloat16,
                  "{} computes in {}, trains in {}", slot.parameter->name, name_of(working),
                  name_of(dtype_));
    original_dtypes_.push_back(original);
    has_working_copy_.push_back(working != dtype_);
    any_copy |= working != dtype_;
  }
  const Shape flat{elements_};
  weights_ = Tensor::zeros(dtype_, flat);
  gradients_ = Tensor::zeros(dtype_, flat);
  moment1_ = Tensor::zeros(dtype_, flat);
  moment2_ = Tensor::zeros(dtype_, flat);
  if (any_copy) working_ = Tensor::zeros(DType::kBFloat16, flat);
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
    Parameter& parameter = *slots_[slot].parameter;
    const Tensor master = slot_view(weights_, slot);
    master.copy_from(parameter.value);
    parameter.value = has_working_copy_[slot] ? slot_view(working_, slot) : master;
    parameter.gradient = slot_view(gradients_, slot);
  }
  refresh_working_copies({});
}

void TrainableArena::release() {
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
    Parameter& parameter = *slots_[slot].parameter;
    Tensor value = Tensor::empty(original_dtypes_[slot], parameter.value.shape());
    value.copy_from(slot_view(weights_, slot));
    parameter.value = std::move(value);
    ++parameter.version;
    parameter.gradient = Tensor();
  }
  slots_.clear();
  original_dtypes_.clear();
  has_working_copy_.clear();
  weights_ = gradients_ = moment1_ = moment2_ = working_ = Tensor();
  elements_ = 0;
}

int TrainableArena::slot_of(const Parameter& parameter) const {
  const auto found = std::ranges::find(slots_, &parameter,
                                       [](const ArenaSlot& slot) { return slot.parameter.get(); });
  return found == slots_.end() ? -1 : static_cast<int>(found - slots_.begin());
}

Tensor TrainableArena::slot_view(const Tensor& flat, int slot) const {
  const ArenaSlot& at = slots_[static_cast<std::size_t>(slot)];
  return flat.slice(0, at.range.begin, at.range.end).reshape(at.parameter->value.shape());
}

std::vector<NamedTensor> TrainableArena::named(const Tensor& flat) const {
  std::vector<NamedTensor> tensors;
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
    tensors.push_back({slots_[slot].parameter->name, slot_view(flat, slot)});
  }
  return tensors;
}

std::vector<std::string> TrainableArena::groups() const {
  std::vector<std::string> names;
  for (const ArenaSlot& slot : slots_) {
    if (std::ranges::count(names, slot.parameter->group) == 0) {
      names.push_back(slot.parameter->group);
    }
  }
  return names;
}

std::vector<int> TrainableArena::slots_of_group(const std::string& group) const {
  std::vector<int> found;
  for (int slot = 0; slot < static_cast<int>(slots_.size()); ++slot) {
    if (slots_[slot].parameter->group == group) found.push_back(slot);
  }
  return found;
}

ArenaRange TrainableArena::shard(int index, int count) const {
  PERYTON_CHECK(index >= 0 && index < count, "shard {} of {}", index, count);
  const std::int64_t part = aligned((elements_ + count - 1) / count);
  return {std::min(elements_, index * part), std::min(elements_, (index + 1) * part)};
}

void TrainableArena::zero_gradients() const {
  if (elements_ == 0) return;
  std::memset(gradients_.raw(), 0, static_cast<std::size_t>(gradients_.bytes()));
}

void TrainableArena::refresh_working_copies(const kernels::Context& context) const {
  for (const ArenaSlot& slot : slots_) ++slot.parameter->version;
  if (!working_.defined()) return;
  // Whole buffer: slots without a working copy are few, and nobody reads their part.
  const auto convert = [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = weights_.data<T>();
    BFloat16* to = working_.data<BFloat16>();
    kernels::parallel_blocks(context, elements_, 1 << 15,
                             [&](std::int64_t begin, std::int64_t end) {
                               for (std::int64_t i = begin; i < end; ++i)
                                 to[i] = static_cast<BFloat16>(static_cast<float>(from[i]));
                             });
  };
  if (dtype_ == DType::kFloat64) {
    convert(TypeTag<double>{});
  } else {
    convert(TypeTag<float>{});
  }
}

}  // namespace peryton
