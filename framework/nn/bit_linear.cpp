// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/bit_linear.h"

#include <array>
#include <limits>

namespace peryton {

BitLinear::BitLinear(ParameterPtr weight, ParameterPtr gain, const BitLinearOptions& options,
                     TernaryScaleMode mode)
    : weight_(std::move(weight)),
      gain_(std::move(gain)),
      options_(options),
      mode_(mode),
      cache_(std::make_shared<Cache>()) {
  PERYTON_CHECK(gain_ == nullptr || options_.norm, "{} has a gain but no norm", weight_->name);
}

BitLinearTerm BitLinear::term(Tape& tape) const {
  return {tape.parameter(*weight_), gain_ ? tape.parameter(*gain_) : Variable(),
          ternary(tape.context())};
}

TernaryPtr BitLinear::ternary(const kernels::Context& context) const {
  if (!options_.quantise) return nullptr;
  const Parameter& weight = weight_->holder();
  const bool current = cache_->ternary != nullptr && cache_->value == weight.value.raw() &&
                       cache_->version == weight.version;
  if (!current) {
    PERYTON_CHECK(!is_released(weight), "{} was packed and its value released", weight.name);
    remember(ternary_from_weight(context, weight.value, mode_));
  }
  return cache_->ternary;
}

void BitLinear::set_ternary(TernaryPtr ternary) const {
  const Shape shape = weight_->holder().value.shape();
  PERYTON_CHECK(shape == Shape({ternary->shape.rows, ternary->shape.columns}), "{}: {} x {} for {}",
                weight_->name, ternary->shape.rows, ternary->shape.columns, shape.text());
  remember(std::move(ternary));
}

void BitLinear::remember(TernaryPtr ternary) const {
  const Parameter& weight = weight_->holder();
  *cache_ = {std::move(ternary), weight.value.raw(), weight.version};
}

void BitLinear::pack_frozen(const std::function<bool(const Parameter&)>& keep,
                            const kernels::Context& context) const {
  // A shared table stays as it is: others read it.
  if (!options_.quantise || weight_->trainable || weight_->same_as != nullptr) return;
  const TernaryPtr packed = ternary(context);
  if (keep(*weight_)) return;
  release_value(*weight_);
  remember(packed);
}

void release_value(Parameter& parameter) {
  if (is_released(parameter)) return;
  const Shape shape = parameter.value.shape();
  PERYTON_CHECK(shape.rank() == 2, "release of {}", parameter.name);
  const Tensor row =
      Tensor::full(parameter.value.dtype(), {shape[1]}, std::numeric_limits<double>::quiet_NaN());
  parameter.value = row.view(shape, std::array<std::int64_t, 2>{0, 1});
  ++parameter.version;
}

bool is_released(const Parameter& parameter) {
  const Tensor& value = parameter.value;
  return value.rank() == 2 && value.size(0) > 1 && value.stride(0) == 0;
}

}  // namespace peryton
