// alpha: how much each component does in each segment, and the ways to parameterise it
// (DARTS: softmax; DASH: Gumbel; GAEA: a point on the simplex; or fixed).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "framework/autograd/tape.h"

namespace peryton {

enum class AlphaParameterisation {
  kSoftmax,  // stored: logits a; realised: softmax(a / temperature)
  kGumbel,   // softmax((a + G) / temperature), G Gumbel noise; without noise in evaluation
  kSimplex,  // stored: the weights themselves; updated by exponentiated gradient
  kFixed,    // the weights themselves, never trained
};

class ArchitectureWeights {
 public:
  // `values[segment][component]`, rows on the simplex. Stored parameters are made so that they
  // realise these. `dtype` is the compute dtype of the model (float32; float64 in tests).
  ArchitectureWeights(AlphaParameterisation parameterisation,
                      const std::vector<std::vector<double>>& values, DType dtype,
                      double temperature = 1.0, std::uint64_t seed = 0);

  // alpha of a segment, [K]; of logits in double, because much of the gradient of alpha cancels on
  // its way to them. Gumbel noise is keyed by (seed, step, segment, component): one draw
  // per step and segment, the same on every rank; step < 0 draws none.
  Variable realise(Tape& tape, std::int64_t segment, std::int64_t step) const;

  // One parameter "alpha.<segment>" [K] each, group "alpha", no weight decay.
  const std::vector<ParameterPtr>& parameters() const { return parameters_; }
  // Realised without noise.
  std::vector<std::vector<double>> values() const;
  AlphaParameterisation parameterisation() const { return parameterisation_; }
  std::int64_t segments() const { return static_cast<std::int64_t>(parameters_.size()); }

 private:
  std::vector<double> noise(std::int64_t segment, std::int64_t step) const;

  AlphaParameterisation parameterisation_;
  double temperature_;
  std::uint64_t seed_;
  std::vector<ParameterPtr> parameters_;
};

// Rows of 1/K.
std::vector<std::vector<double>> uniform_alpha(std::int64_t segments, std::int64_t components);
// Each row one-hot at its largest entry (the first of equals).
std::vector<std::vector<double>> rounded_alpha(const std::vector<std::vector<double>>& values);
// Mean over segments of the total-variation distance to uniform: 0 uniform .. 1 - 1/K one-hot.
double distance_from_uniform(const std::vector<std::vector<double>>& values);

}  // namespace peryton
