// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/architecture_weights.h"

#include <algorithm>
#include <cmath>

#include "framework/core/rng.h"
#include "framework/hybrid/small_vector.h"

namespace peryton {
namespace {

constexpr double kFloor = 1e-5;  // keeps logits of a weight that is zero finite

std::vector<double> softmax(const std::vector<double>& logits, const std::vector<double>& noise,
                            double temperature) {
  std::vector<double> out(logits.size());
  for (std::size_t k = 0; k < out.size(); ++k) {
    out[k] = (logits[k] + (noise.empty() ? 0 : noise[k])) / temperature;
  }
  const double top = *std::ranges::max_element(out);
  double sum = 0;
  for (double& value : out) sum += value = std::exp(value - top);
  for (double& value : out) value /= sum;
  return out;
}

bool has_logits(AlphaParameterisation parameterisation) {
  return parameterisation == AlphaParameterisation::kSoftmax ||
         parameterisation == AlphaParameterisation::kGumbel;
}

// What is stored so that `row` is realised.
std::vector<double> stored_row(AlphaParameterisation parameterisation, std::vector<double> row,
                               double temperature) {
  if (!has_logits(parameterisation)) return row;
  double mean = 0;
  for (double& value : row) {
    value = temperature * std::log(std::max(value, kFloor));
    mean += value / static_cast<double>(row.size());
  }
  for (double& value : row) value -= mean;
  return row;
}

}  // namespace

ArchitectureWeights::ArchitectureWeights(AlphaParameterisation parameterisation,
                                         const std::vector<std::vector<double>>& values,
                                         DType dtype, double temperature, std::uint64_t seed)
    : parameterisation_(parameterisation), temperature_(temperature), seed_(seed) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto parameter = std::make_shared<Parameter>();
    parameter->name = fmt::format("alpha.{}", i);
    parameter->group = "alpha";
    parameter->decays = false;
    parameter->value = from_doubles(stored_row(parameterisation, values[i], temperature), dtype);
    parameters_.push_back(std::move(parameter));
  }
}

std::vector<double> ArchitectureWeights::noise(std::int64_t segment, std::int64_t step) const {
  if (parameterisation_ != AlphaParameterisation::kGumbel || step < 0) return {};
  const Rng rng(seed_, RandomPurpose::kGumbel, static_cast<std::uint64_t>(step));
  const std::int64_t count = parameters_.front()->value.elements();
  std::vector<double> values;
  for (std::int64_t k = 0; k < count; ++k) {
    const double u = rng.uniform(static_cast<std::uint64_t>(segment * count + k));
    values.push_back(-std::log(-std::log(u + 0x1.0p-54)));  // never log(0)
  }
  return values;
}

Variable ArchitectureWeights::realise(Tape& tape, std::int64_t segment, std::int64_t step) const {
  Parameter& parameter = *parameters_[static_cast<std::size_t>(segment)];
  const Variable stored = tape.parameter(parameter);
  if (!has_logits(parameterisation_)) return stored;
  const std::vector<double> alpha =
      softmax(to_doubles(stored.value()), noise(segment, step), temperature_);
  return tape.record(
      from_doubles(alpha, DType::kFloat64), {stored},
      [alpha, to = stored.slot(), temperature = temperature_, &tape](const Tensor& d) {
        // d_a_j = alpha_j (g_j - sum_k alpha_k g_k) / temperature
        const std::vector<double> g = to_doubles(d);
        double mean = 0;
        for (std::size_t k = 0; k < g.size(); ++k) mean += alpha[k] * g[k];
        std::vector<double> d_logits(g.size());
        for (std::size_t k = 0; k < g.size(); ++k)
          d_logits[k] = alpha[k] * (g[k] - mean) / temperature;
        tape.add_gradient(to, from_doubles(d_logits, to.dtype()));
      });
}

std::vector<std::vector<double>> ArchitectureWeights::values() const {
  std::vector<std::vector<double>> rows;
  for (const ParameterPtr& parameter : parameters_) {
    const std::vector<double> stored = to_doubles(parameter->value);
    rows.push_back(has_logits(parameterisation_) ? softmax(stored, {}, temperature_) : stored);
  }
  return rows;
}

std::vector<std::vector<double>> uniform_alpha(std::int64_t segments, std::int64_t components) {
  const std::vector<double> row(static_cast<std::size_t>(components),
                                1.0 / static_cast<double>(components));
  return std::vector<std::vector<double>>(static_cast<std::size_t>(segments), row);
}

std::vector<std::vector<double>> rounded_alpha(const std::vector<std::vector<double>>& values) {
  std::vector<std::vector<double>> rounded;
  for (const auto& row : values) {
    std::vector<double> one_hot(row.size(), 0.0);
    one_hot[static_cast<std::size_t>(std::ranges::max_element(row) - row.begin())] = 1.0;
    rounded.push_back(std::move(one_hot));
  }
  return rounded;
}

double distance_from_uniform(const std::vector<std::vector<double>>& values) {
  if (values.empty()) return 0;
  double total = 0;
  for (const auto& row : values) {
    for (const double value : row)
      total += 0.5 * std::abs(value - 1.0 / static_cast<double>(row.size()));
  }
  return total / static_cast<double>(values.size());
}

}  // namespace peryton
