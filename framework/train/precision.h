// In which type a training stage stores its weights.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "framework/train/step_products.h"
#include "kernels/common/context.h"

namespace peryton {

// kAuto, where nothing is measured (stages that do not train), is float32.
constexpr DType dtype_of(Precision precision) {
  return precision == Precision::kBf16 ? DType::kBFloat16 : DType::kFloat32;
}

// Seconds of the products with weights stored either way, activations and sums in float32.
struct PrecisionTimes {
  double fp32 = 0, bf16 = 0;
  // The faster; fp32 where bf16 is not faster by more than what two measurements of one thing
  // differ by, for it is the more exact.
  Precision faster() const { return bf16 < 0.97 * fp32 ? Precision::kBf16 : Precision::kFp32; }
};

// Times the few products that are most of the work, cut to a few milliseconds each; takes below a
// second.
PrecisionTimes measure_precision(std::span<const StepProduct> products,
                                 const kernels::Context& context);

// Collective. The stage's setting; for `auto` what its newest checkpoint was written under, else
// what rank 0 measures to be faster, which it logs. Never kAuto, and the same on every rank.
Precision choose_precision(const StageContext& context, const FamilyRegistry& registry,
                           std::int64_t vocabulary);

}  // namespace peryton
