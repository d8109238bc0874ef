// A small chain of layers on the real tape, in double: enough to exercise arena, buckets and
// optimiser.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "framework/autograd/tape.h"
#include "framework/core/parameter.h"

namespace peryton::testing {

// h_0 = x; h_{l+1} = h_l * w_l + b_l (element-wise); loss = sum(c * h_L^2). The layer numbers in
// `unused` are skipped, like pruned branches. Weights come from a fixed seed.
class ToyModel {
 public:
  ToyModel(int layers, std::int64_t width, DType dtype = DType::kFloat64);
  // In order of execution: w_0, b_0, w_1, ...
  const std::vector<ParameterPtr>& parameters() const { return parameters_; }
  // Called with the layer's number when its backward begins.
  std::function<void(int)> on_backward;

  // Loss of sample number `sample` times `scale`.
  Variable loss(Tape& tape, std::int64_t sample, double scale,
                const std::vector<int>& unused = {}) const;

 private:
  std::int64_t width_;
  DType dtype_;
  std::vector<ParameterPtr> parameters_;
};

}  // namespace peryton::testing
