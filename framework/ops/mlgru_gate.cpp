// The lower bounds and the output gate of framework/ops/mlgru.h.
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>

#include "framework/ops/activation.h"
#include "framework/ops/gated_rms_norm.h"
#include "framework/ops/glu.h"
#include "framework/ops/matrix.h"
#include "framework/ops/mlgru.h"
#include "framework/ops/norm.h"

namespace peryton {
namespace {

// Softmax over dimension 0 of logits [L, d], in double: L d numbers once per call.
std::vector<double> softmax_over_layers(const Tensor& logits) {
  const Tensor wide = logits.to(DType::kFloat64).as_contiguous();
  const auto x = wide.values<double>();
  const auto layers = static_cast<std::size_t>(wide.size(0));
  const auto width = static_cast<std::size_t>(wide.size(1));
  std::vector<double> p(x.size());
  for (std::size_t c = 0; c < width; ++c) {
    double top = x[c], sum = 0;
    for (std::size_t l = 1; l < layers; ++l) top = std::max(top, x[l * width + c]);
    for (std::size_t l = 0; l < layers; ++l) {
      p[l * width + c] = std::exp(x[l * width + c] - top);
      sum += p[l * width + c];
    }
    for (std::size_t l = 0; l < layers; ++l) p[l * width + c] /= sum;
  }
  return p;
}

Tensor in_dtype(const std::vector<double>& values, const Shape& shape, DType dtype) {
  return Tensor::from_values<double>(shape, values).to(dtype);
}

constexpr std::array<std::pair<std::string_view, MlgruGate>, 3> kGates{
    {{"mmfreelm", MlgruGate::kNormProjection},
     {"fla", MlgruGate::kNormState},
     {"paper", MlgruGate::kNormProduct}}};

}  // namespace

Variable mlgru_lower_bound(Tape& tape, const Variable& logits, std::int64_t layer) {
  PERYTON_CHECK(logits.value().rank() == 2 && layer >= 0 && layer < logits.size(0));
  const std::vector<double> p = softmax_over_layers(logits.value());
  const auto width = static_cast<std::size_t>(logits.size(1));
  const auto rows = static_cast<std::size_t>(layer);
  std::vector<double> bound(width, 0.0);
  for (std::size_t l = 1; l <= rows; ++l) {
    for (std::size_t c = 0; c < width; ++c) bound[c] += p[l * width + c];
  }
  // With d the gradient of the bound: dP_j = d for 1 <= j <= layer, else 0, and
  // dlogits_j = P_j (dP_j - sum_k P_k dP_k) = P_j d ([1 <= j <= layer] - bound).
  const GradientSlot to = logits;
  return tape.record(in_dtype(bound, {logits.size(1)}, compute_dtype(logits.dtype())), {logits},
                     [=, &tape](const Tensor& d_output) {
                       const Tensor d = d_output.to(DType::kFloat64);
                       std::vector<double> d_logits(p.size());
                       for (std::size_t i = 0; i < p.size(); ++i) {
                         const std::size_t l = i / width, c = i % width;
                         const double inside = l >= 1 && l <= rows ? 1.0 : 0.0;
                         d_logits[i] = p[i] * d.values<double>()[c] * (inside - bound[c]);
                       }
                       tape.add_gradient(to,
                                         in_dtype(d_logits, to.shape(), compute_dtype(to.dtype())));
                     });
}

std::optional<MlgruGate> mlgru_gate_named(std::string_view name) {
  for (const auto& [known, gate] : kGates) {
    if (known == name) return gate;
  }
  return std::nullopt;
}

std::string_view name_of(MlgruGate gate) {
  for (const auto& [name, known] : kGates) {
    if (known == gate) return name;
  }
  return "?";
}

Variable mlgru_gate(Tape& tape, MlgruGate gate, const Variable& h, const Variable& p,
                    const Variable& gain, double eps) {
  const GatedRmsNormOptions norm{.groups = 1, .eps = eps, .norm_before_gate = true};
  switch (gate) {
    case MlgruGate::kNormProjection:
      return gated_rms_norm(tape, p, h, gain, norm);
    case MlgruGate::kNormState:
      return gated_rms_norm(tape, h, p, gain, norm);
    case MlgruGate::kNormProduct:
      return rms_norm(tape, glu(tape, p, h, Activation::kSigmoid), gain, Variable(), eps);
  }
  return {};
}

}  // namespace peryton
