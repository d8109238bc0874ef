// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/gate.h"

#include "framework/hybrid/small_vector.h"

namespace peryton {
namespace {

// The neighbour that takes part in the gate, if any.
Variable partner(Gate gate, const Variable& neighbour) {
  return gate == Gate::kTransition ? neighbour : Variable();
}

}  // namespace

SegmentAlpha alpha_of_segment(const std::vector<Variable>& alpha, std::int64_t segment) {
  const auto i = static_cast<std::size_t>(segment);
  return {i > 0 ? alpha[i - 1] : Variable(), alpha[i],
          i + 1 < alpha.size() ? alpha[i + 1] : Variable()};
}

double entry(const Variable& vector, std::int64_t k) {
  return to_doubles(vector.value())[static_cast<std::size_t>(k)];
}

bool takes_part(const Variable& alpha, std::int64_t k) {
  return alpha.needs_gradient() || entry(alpha, k) != 0;
}

bool projects_input(const Variable& coefficients) { return takes_part(coefficients, 0); }

bool projects_output(const Variable& coefficients, std::int64_t k) {
  return takes_part(coefficients, 2 * k);
}

Variable input_coefficients(Tape& tape, Gate gate, const SegmentAlpha& alpha, std::int64_t k) {
  const Variable before = partner(gate, alpha.previous);
  const auto at = static_cast<std::size_t>(k);
  const double a = to_doubles(alpha.here.value())[at];
  const double b = before.defined() ? to_doubles(before.value())[at] : 1.0;
  const double g = a * b;
  return tape.record(
      from_doubles({1 - g, g}, alpha.here.dtype()), {alpha.here, before},
      [=, &tape, to_here = alpha.here.slot(), to_before = before.slot()](const Tensor& d) {
        const std::vector<double> slope = to_doubles(d);
        const double d_g = slope[1] - slope[0];
        std::vector<double> row(static_cast<std::size_t>(to_here.shape()[0]), 0.0);
        row[at] = d_g * b;
        tape.add_gradient(to_here, from_doubles(row, to_here.dtype()));
        row[at] = d_g * a;
        if (to_before.needs_gradient()) {
          tape.add_gradient(to_before, from_doubles(row, to_before.dtype()));
        }
      });
}

Variable output_coefficients(Tape& tape, Gate gate, const SegmentAlpha& alpha) {
  const Variable after = partner(gate, alpha.next);
  const std::vector<double> a = to_doubles(alpha.here.value());
  const bool own = gate == Gate::kManticore || !after.defined();  // o_k = a_k
  const std::vector<double> b = own ? a : to_doubles(after.value());
  std::vector<double> c;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double o = own ? a[k] : a[k] * b[k];
    c.push_back(a[k] * (1 - o));
    c.push_back(a[k] * o);
  }
  return tape.record(
      from_doubles(c, alpha.here.dtype()), {alpha.here, after},
      [=, &tape, to_here = alpha.here.slot(), to_after = after.slot()](const Tensor& d) {
        const std::vector<double> slope = to_doubles(d);
        std::vector<double> d_here(a.size()), d_after(a.size());
        for (std::size_t k = 0; k < a.size(); ++k) {
          const double o = own ? a[k] : a[k] * b[k];
          const double d_o = a[k] * (slope[2 * k + 1] - slope[2 * k]);
          d_here[k] = slope[2 * k] * (1 - o) + slope[2 * k + 1] * o + d_o * (own ? 1.0 : b[k]);
          d_after[k] = d_o * a[k];
        }
        tape.add_gradient(to_here, from_doubles(d_here, to_here.dtype()));
        if (to_after.needs_gradient()) {
          tape.add_gradient(to_after, from_doubles(d_after, to_after.dtype()));
        }
      });
}

}  // namespace peryton
