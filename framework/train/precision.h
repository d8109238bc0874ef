// In which type a training stage stores its weights and multiplies them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <span>

#include "framework/train/step_products.h"
#include "kernels/common/context.h"

namespace peryton {

// kAuto, where nothing is measured (stages that do not train), is float32.
constexpr DType dtype_of(Precision precision) {
  return precision == Precision::kBf16 ? DType::kBFloat16 : DType::kFloat32;
}

// How a stage computes: in what its frozen weights are stored and, where that is bf16, whether
// every matrix product rounds its factors to bf16 (bf16 dot products).
struct PrecisionChoice {
  Precision weights = Precision::kFp32;  // never kAuto
  bool bf16_dots = false;
  bool operator==(const PrecisionChoice&) const = default;
};

// Seconds of the products of a step: with weights stored in fp32; in bf16 and widened; in bf16 and
// with dot products. Infinity: not possible here.
struct PrecisionTimes {
  double fp32 = 0, bf16 = 0, bf16_dots = std::numeric_limits<double>::infinity();
  // The fastest that `setting`, auto or bf16, allows. Of two that differ by less than two
  // measurements of one thing do it is the more exact one.
  PrecisionChoice fastest(Precision setting) const;
};

// Times the few products that are most of the work, cut to a few milliseconds each; takes about a
// second. `dots`: this processor has bf16 dot products, and they are to be timed.
PrecisionTimes measure_precision(std::span<const StepProduct> products,
                                 const kernels::Context& context, bool dots);

// Collective. The stage's setting; what it leaves open is as in the newest checkpoint, else what
// rank 0 measures to be faster, which it logs. Dot products only where every rank has them: a
// checkpoint that was written with them goes on without, and a warning says so. The same on every
// rank.
PrecisionChoice choose_precision(const StageContext& context, const FamilyRegistry& registry,
                                 std::int64_t vocabulary);

}  // namespace peryton
