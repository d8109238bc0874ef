// Small trainable maps between the shared space and a component's own.
//
//   affine, linear   W x + b
//   linear_skip      x + W x + b
//   two_layer        W2 gelu(W1 x + b1) + b2         (hidden width = input width, exact GELU)
//   two_layer_skip   x + two_layer(x)
// The skip variants need equal widths.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "framework/families/flops.h"
#include "framework/nn/linear.h"

namespace peryton {

enum class ProjectorKind { kAffine, kLinear, kLinearSkip, kTwoLayer, kTwoLayerSkip };

// kVariant: the kind's own start (affine and two-layer: uniform in +-1/sqrt(fan_in), weights and
// biases; linear: rectangular identity, bias 0; linear_skip: 0). kRandom, kIdentity: the same start
// whatever the kind.
enum class ProjectorStart { kVariant, kRandom, kIdentity };

class Projector {
 public:
  // Parameters `name`.weight and .bias, or .first.* and .second.* for two layers, group
  // "projectors".
  Projector(const std::string& name, ProjectorKind kind, std::int64_t from, std::int64_t to,
            DType dtype);

  void initialise(ProjectorStart start, std::uint64_t seed);
  // Sets an affine map: weight [to, from], bias [to]. Only kinds with one layer; the skip is taken
  // off.
  void set_affine(const Tensor& weight, const Tensor& bias);
  bool has_one_layer() const { return second_.weight == nullptr; }

  Variable operator()(Tape& tape, const Variable& x) const;
  std::vector<ParameterPtr> parameters() const;
  std::int64_t from() const { return from_; }
  std::int64_t to() const { return to_; }
  // `gradient`: whether its input needs one, and afterwards whether its output does.
  ForwardFlops flops_per_token(bool& gradient) const;

 private:
  bool skips() const {
    return kind_ == ProjectorKind::kLinearSkip || kind_ == ProjectorKind::kTwoLayerSkip;
  }
  ProjectorKind kind_;
  std::int64_t from_, to_;
  Linear first_, second_;
};

}  // namespace peryton
