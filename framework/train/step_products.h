// The matrix products of a training step, from the shapes of the model that the stage will build;
// no weight is read for it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/registry.h"
#include "framework/train/stage.h"

namespace peryton {

// x [rows, in] times a weight [out, in] transposed, and backward dy [rows, out] times the weight.
struct StepProduct {
  std::int64_t rows = 0, in = 0, out = 0;
  std::int64_t count = 0;  // of weights of this shape
  double flops() const { return 4.0 * static_cast<double>(rows * in * out * count); }
};

// Of one micro-batch of one rank, most work first. `vocabulary`: width of the softmax.
std::vector<StepProduct> step_products(const StageContext& context, const FamilyRegistry& registry,
                                       std::int64_t vocabulary);

}  // namespace peryton
