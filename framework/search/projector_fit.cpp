// SPDX-License-Identifier: Apache-2.0
#include "framework/search/projector_fit.h"

#include <algorithm>

#include "framework/hybrid/small_vector.h"
#include "framework/ops/arithmetic.h"
#include "framework/ops/matrix.h"

namespace peryton {
namespace {

constexpr double kLeastShare = 1e-3;  // a projector that carries less is fitted without the gate

// (weight - gate * rectangular identity) / (1 - gate), and bias / (1 - gate).
void take_off_gate(const Tensor& weight, const Tensor& bias, double gate) {
  const double share = 1 - gate;
  if (share < kLeastShare) return;
  const std::int64_t columns = weight.size(1);
  double* w = weight.data<double>();
  for (std::int64_t i = 0; i < std::min(weight.size(0), columns); ++i) w[i * columns + i] -= gate;
  for (double& value : weight.values<double>()) value /= share;
  for (double& value : bias.values<double>()) value /= share;
}

Tensor rectangular_identity(std::int64_t rows, std::int64_t columns) {
  const Tensor identity = Tensor::zeros(DType::kFloat64, {rows, columns});
  for (std::int64_t i = 0; i < std::min(rows, columns); ++i)
    identity.data<double>()[i * columns + i] = 1;
  return identity;
}

}  // namespace

ProjectorFit::ProjectorFit(HybridModel& hybrid, const kernels::Context& context)
    : hybrid_(hybrid), context_(context) {
  const auto& parts = hybrid.parts();
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const auto widest = static_cast<std::size_t>(widest_);
    if (parts[k].component->shape().width > parts[widest].component->shape().width) {
      widest_ = static_cast<std::int64_t>(k);
    }
  }
  if (!hybrid.input_projector(0, 0).has_one_layer()) {
    fail_input("projectors with two layers cannot be fitted in closed form", "hybrid.projectors",
               "use linear or linear_skip, or leave the fit_projectors stage out");
  }
  for (std::int64_t i = 0; i < hybrid.segments(); ++i) {
    for (const HybridPart& part : parts) {
      const std::int64_t own = part.component->shape().width;
      inputs_.emplace_back(hybrid.width(), own);
      outputs_.emplace_back(own, hybrid.width());
    }
  }
}

std::vector<Tensor> ProjectorFit::hidden_at_borders(const TokenBatch& batch, std::int64_t k) const {
  Component& component = *hybrid_.parts()[static_cast<std::size_t>(k)].component;
  Tape tape(context_, Tape::Mode::kInference);
  const ForwardContext context{tape, batch};
  const auto& cuts = hybrid_.boundaries(k);
  Variable h = component.embed(context);
  std::vector<Tensor> states{h.value().to(DType::kFloat32).rows()};
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    h = component.run(context, cuts[i], cuts[i + 1], h);
    if (i + 2 == cuts.size()) h = component.final_norm(context, h);
    states.push_back(h.value().to(DType::kFloat32).rows());
  }
  return states;
}

void ProjectorFit::collect(const TokenBatch& batch) {
  const auto count = static_cast<std::int64_t>(hybrid_.parts().size());
  std::vector<std::vector<Tensor>> states;
  for (std::int64_t k = 0; k < count; ++k) states.push_back(hidden_at_borders(batch, k));

  Tape tape(context_, Tape::Mode::kInference);
  const auto shared = [&](std::size_t border) {  // [rows, width]
    std::vector<Variable> terms;
    std::vector<double> weights;
    for (std::int64_t k = 0; k < count; ++k) {
      const bool embeddings = border == 0;
      if (!embeddings && k != widest_) continue;
      terms.push_back(tape.constant(states[static_cast<std::size_t>(k)][border]));
      weights.push_back(embeddings ? hybrid_.alpha().front()[static_cast<std::size_t>(k)] : 1.0);
    }
    return weighted_sum(tape, terms, tape.constant(from_doubles(weights, DType::kFloat32)),
                        hybrid_.width())
        .value();
  };
  const auto segments = static_cast<std::size_t>(hybrid_.segments());
  Tensor here = shared(0);
  for (std::size_t i = 0; i < segments; ++i) {
    const Tensor next = shared(i + 1);
    for (std::int64_t k = 0; k < count; ++k) {
      const auto& own = states[static_cast<std::size_t>(k)];
      const std::size_t at = index(static_cast<std::int64_t>(i), k);
      inputs_[at].add(context_, here, own[i]);
      if (i + 1 < segments) outputs_[at].add(context_, own[i + 1], next);
    }
    here = next;
  }
}

void ProjectorFit::set_input(std::int64_t segment, std::int64_t k, double ridge) {
  const auto solution = inputs_[index(segment, k)].solve(ridge);
  const auto alpha = hybrid_.alpha();
  const auto i = static_cast<std::size_t>(segment), at = static_cast<std::size_t>(k);
  const bool transition = hybrid_.options().gate == Gate::kTransition;
  const double before = transition && segment > 0 ? alpha[i - 1][at] : 1.0;
  take_off_gate(solution.weight, solution.bias, alpha[i][at] * before);
  hybrid_.input_projector(segment, k).set_affine(solution.weight, solution.bias);
}

void ProjectorFit::set_output(std::int64_t segment, std::int64_t k, double ridge) {
  const auto solution = outputs_[index(segment, k)].solve(ridge);
  const auto alpha = hybrid_.alpha();
  const auto i = static_cast<std::size_t>(segment), at = static_cast<std::size_t>(k);
  const bool transition = hybrid_.options().gate == Gate::kTransition;
  take_off_gate(solution.weight, solution.bias,
                alpha[i][at] * (transition ? alpha[i + 1][at] : alpha[i][at]));
  hybrid_.output_projector(segment, k).set_affine(solution.weight, solution.bias);
}

// With heads W_k (cut to the shared width) and weights a_k of the head mix, the state h that
// minimises |sum_k a_k W_k h - sum_k a_k W_k v_k|^2 is sum_k a_k M_k v_k with M_k = (W^T W)^-1 W^T
// W_k, W = sum_k a_k W_k.
void ProjectorFit::set_last_outputs() {
  const std::int64_t width = hybrid_.width(), vocabulary = hybrid_.vocabulary();
  const std::int64_t last = hybrid_.segments() - 1;
  const auto alpha = hybrid_.alpha();
  const auto& mix = hybrid_.options().released_code ? alpha.front() : alpha.back();
  std::vector<Tensor> heads;
  const Tensor mixed = Tensor::zeros(DType::kFloat32, {vocabulary, width});
  for (std::size_t k = 0; k < mix.size(); ++k) {
    const Tensor head = hybrid_.parts()[k]
                            .component->head_matrix(context_)
                            .slice(0, 0, vocabulary)
                            .to(DType::kFloat32);
    heads.push_back(head.as_contiguous());
    const std::int64_t columns = std::min(width, head.size(1));
    for (std::int64_t v = 0; v < vocabulary; ++v) {
      for (std::int64_t c = 0; c < columns; ++c) {
        mixed.data<float>()[v * width + c] +=
            static_cast<float>(mix[k]) * heads.back().data<float>()[v * head.size(1) + c];
      }
    }
  }
  const Tensor gram = Tensor::empty(DType::kFloat32, {width, width});
  matrix_product(context_, mixed, mixed, gram, {.transpose_a = true});
  for (std::size_t k = 0; k < mix.size(); ++k) {
    const auto at = static_cast<std::int64_t>(k);
    const std::int64_t own = heads[k].size(1);
    const Tensor cross = Tensor::empty(DType::kFloat32, {width, own});
    matrix_product(context_, mixed, heads[k], cross, {.transpose_a = true});
    const Tensor a = gram.to(DType::kFloat64), weight = cross.to(DType::kFloat64);
    double mean = 0;
    for (std::int64_t i = 0; i < width; ++i)
      mean += a.data<double>()[i * width + i] / static_cast<double>(width);
    for (std::int64_t i = 0; i < width; ++i) a.data<double>()[i * width + i] += 1e-6 * mean;
    solve_positive_definite(a.values<double>(), weight.values<double>(), width, own);
    const Tensor bias = Tensor::zeros(DType::kFloat64, {width});
    take_off_gate(weight, bias, alpha.back()[k]);
    hybrid_.output_projector(last, at).set_affine(weight, bias);
  }
}

void ProjectorFit::finish(Communicator& ranks, double ridge) {
  for (auto* list : {&inputs_, &outputs_}) {
    for (RegressionSums& sums : *list) ranks.all_reduce(sums.values());
  }
  for (std::int64_t i = 0; i < hybrid_.segments(); ++i) {
    for (std::int64_t k = 0; k < static_cast<std::int64_t>(hybrid_.parts().size()); ++k) {
      const bool own_space = k == widest_ && i > 0;
      if (own_space) {
        const std::int64_t own =
            hybrid_.parts()[static_cast<std::size_t>(k)].component->shape().width;
        hybrid_.input_projector(i, k).set_affine(rectangular_identity(own, hybrid_.width()),
                                                 Tensor::zeros(DType::kFloat64, {own}));
      } else {
        set_input(i, k, ridge);
      }
      if (i + 1 == hybrid_.segments()) continue;
      if (k == widest_) {
        const std::int64_t own =
            hybrid_.parts()[static_cast<std::size_t>(k)].component->shape().width;
        hybrid_.output_projector(i, k).set_affine(
            rectangular_identity(hybrid_.width(), own),
            Tensor::zeros(DType::kFloat64, {hybrid_.width()}));
      } else {
        set_output(i, k, ridge);
      }
    }
  }
  set_last_outputs();
}

}  // namespace peryton
