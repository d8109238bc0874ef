// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/bit_linear.h"

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
  if (is_released(*weight_) || keep(*weight_)) return;
  const TernaryPtr packed = ternary(context);
  release_value(*weight_);
  remember(packed);
}

}  // namespace peryton
