// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/projector.h"

#include <algorithm>
#include <cmath>

#include "framework/core/rng.h"
#include "framework/ops/activation.h"
#include "framework/ops/arithmetic.h"

namespace peryton {
namespace {

Linear make_linear(const std::string& name, std::int64_t from, std::int64_t to, DType dtype) {
  const auto parameter = [&](const std::string& suffix, const Shape& shape) {
    auto made = std::make_shared<Parameter>();
    made->name = name + suffix;
    made->group = "projectors";
    made->decays = shape.rank() > 1;
    made->value = Tensor::zeros(dtype, shape);
    return made;
  };
  return {parameter(".weight", {to, from}), parameter(".bias", {to})};
}

void set_values(Parameter& parameter, const std::vector<double>& values) {
  parameter.value.copy_from(Tensor::from_values<double>(parameter.value.shape(), values));
}

// FNV-1a: a stable stream for a parameter's name.
std::uint64_t stream_of(const std::string& name) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash & 0x00ffffffffffffffull;
}

void fill_uniform(Parameter& parameter, double bound, std::uint64_t seed) {
  const Rng rng(seed, RandomPurpose::kInitialisation, stream_of(parameter.name));
  std::vector<double> values(static_cast<std::size_t>(parameter.value.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = bound * (2 * rng.uniform(i) - 1);
  set_values(parameter, values);
}

void fill_identity(Parameter& weight, double diagonal) {
  weight.value.fill(0);
  const std::int64_t count = std::min(weight.value.size(0), weight.value.size(1));
  for (std::int64_t i = 0; i < count; ++i) {
    weight.value.slice(0, i, i + 1).slice(1, i, i + 1).fill(diagonal);
  }
}

}  // namespace

Projector::Projector(const std::string& name, ProjectorKind kind, std::int64_t from,
                     std::int64_t to, DType dtype)
    : kind_(kind), from_(from), to_(to) {
  if (skips() && from != to) {
    fail_input(fmt::format("a skip projector needs equal widths, here {} and {}", from, to),
               "hybrid.projectors", "use linear or two_layer for components of different widths");
  }
  if (kind == ProjectorKind::kTwoLayer || kind == ProjectorKind::kTwoLayerSkip) {
    first_ = make_linear(name + ".first", from, from, dtype);
    second_ = make_linear(name + ".second", from, to, dtype);
  } else {
    first_ = make_linear(name, from, to, dtype);
  }
}

void Projector::initialise(ProjectorStart start, std::uint64_t seed) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(from_));
  const bool linear = kind_ == ProjectorKind::kLinear || kind_ == ProjectorKind::kLinearSkip;
  const bool random =
      start == ProjectorStart::kRandom || (start == ProjectorStart::kVariant && !linear);
  if (random) {
    for (const ParameterPtr& parameter : parameters()) fill_uniform(*parameter, bound, seed);
    return;
  }
  // Two layers cannot be the identity through a GELU; with a skip the inner map starts at zero.
  if (!has_one_layer() && !skips()) {
    fail_input("a two_layer projector has no identity start", "hybrid.projector_init",
               "use random, or projectors: two_layer_skip");
  }
  for (const ParameterPtr& parameter : parameters()) parameter->value.fill(0);
  if (!skips()) fill_identity(*first_.weight, 1.0);
}

void Projector::set_affine(const Tensor& weight, const Tensor& bias) {
  PERYTON_CHECK(has_one_layer());
  first_.weight->value.copy_from(weight);
  first_.bias->value.copy_from(bias);
  if (!skips()) return;
  for (std::int64_t i = 0; i < from_; ++i) {
    const Tensor entry = first_.weight->value.slice(0, i, i + 1).slice(1, i, i + 1);
    entry.fill(entry.item() - 1.0);
  }
}

Variable Projector::operator()(Tape& tape, const Variable& x) const {
  Variable y = first_(tape, x);
  if (!has_one_layer()) y = second_(tape, activation(tape, y, Activation::kGeluErf));
  return skips() ? add(tape, x, y) : y;
}

std::vector<ParameterPtr> Projector::parameters() const {
  std::vector<ParameterPtr> list{first_.weight, first_.bias};
  if (!has_one_layer()) list.insert(list.end(), {second_.weight, second_.bias});
  return list;
}

ForwardFlops Projector::flops_per_token(bool& gradient) const {
  ForwardFlops flops;
  for (const ParameterPtr& parameter : parameters()) {
    if (parameter->value.rank() != 2) continue;
    flops.add_product(*parameter, parameter->value.elements(), gradient);
  }
  return flops;
}

}  // namespace peryton
