// Builds the parameters of a component in order of execution.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/nn/layer_norm.h"
#include "framework/nn/linear.h"
#include "framework/nn/rms_norm.h"

namespace peryton {

// The groups of a component's parameters.
inline constexpr const char* kEmbeddings = "embeddings";
inline constexpr const char* kHeads = "heads";
inline constexpr const char* kNorms = "norms";
inline constexpr const char* kComponents = "components";

class ParameterList {
 public:
  explicit ParameterList(DType dtype) : dtype_(dtype) {}

  DType dtype() const { return dtype_; }
  const std::vector<ParameterPtr>& all() const { return all_; }

  // Frozen, and without values (shape_only.h). Weight decay is for matrices: none on norms and
  // biases.
  ParameterPtr add(const std::string& name, const char* group, const Shape& shape) {
    return add(name, group, shape, dtype_);
  }
  ParameterPtr add(const std::string& name, const char* group, const Shape& shape, DType dtype);

  // <name>.weight and, if wanted, <name>.bias.
  Linear linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias,
                WeightLayout layout = WeightLayout::kOutIn);
  LayerNorm layer_norm(const std::string& name, std::int64_t width, double eps);
  RmsNorm rms_norm(const std::string& name, std::int64_t width, double eps);

 private:
  DType dtype_;
  std::vector<ParameterPtr> all_;
};

}  // namespace peryton
