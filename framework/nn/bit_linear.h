// A BitLinear layer's parameters, and its ternary weight, made once per change of the weight.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "framework/nn/shape_only.h"
#include "framework/ops/bit_linear.h"

namespace peryton {

// Copies share the ternary weight. Not for several threads at once.
class BitLinear {
 public:
  BitLinear() = default;
  // weight [out, in]; gain [in], or null (required to be null without options.norm).
  BitLinear(ParameterPtr weight, ParameterPtr gain, const BitLinearOptions& options,
            TernaryScaleMode mode = TernaryScaleMode::kFloat32);

  Variable operator()(Tape& tape, const Variable& x) const {
    return bit_linear(tape, x, term(tape), options_);
  }
  // For bit_linears: layers with equal options that read the same x.
  BitLinearTerm term(Tape& tape) const;

  // The ternary weight of the present value: quantised when the parameter's value or version
  // changed since the last call. Null without options.quantise.
  TernaryPtr ternary(const kernels::Context& context) const;
  // Takes a published ternary weight as it is, until the parameter changes: a scale that is worked
  // out again from beta T would be another one.
  void set_ternary(TernaryPtr ternary) const;

  // If the weight is frozen and `keep` does not claim it: quantises it and releases its value (see
  // Component::pack_frozen). Nothing happens without options.quantise, and while the weight has no
  // value yet.
  void pack_frozen(const std::function<bool(const Parameter&)>& keep,
                   const kernels::Context& context = {}) const;

  const ParameterPtr& weight() const { return weight_; }
  const ParameterPtr& gain() const { return gain_; }  // may be null
  const BitLinearOptions& options() const { return options_; }

 private:
  struct Cache {
    TernaryPtr ternary;
    const void* value = nullptr;  // of the parameter when it was quantised
    std::uint64_t version = 0;
  };
  void remember(TernaryPtr ternary) const;

  ParameterPtr weight_, gain_;
  BitLinearOptions options_;
  TernaryScaleMode mode_ = TernaryScaleMode::kFloat32;
  std::shared_ptr<Cache> cache_;
};

}  // namespace peryton
