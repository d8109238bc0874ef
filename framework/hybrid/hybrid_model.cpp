// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/hybrid_model.h"

#include <algorithm>

#include "framework/hybrid/segments.h"
#include "framework/hybrid/small_vector.h"
#include "framework/ops/arithmetic.h"

namespace peryton {
namespace {

// The first `width` channels, or all of them and zeros.
Variable fit(Tape& tape, const Variable& h, std::int64_t width) {
  if (h.size(-1) == width) return h;
  if (h.size(-1) > width) return slice_last(tape, h, 0, width);
  return weighted_sum(tape, {h}, tape.constant(from_doubles({1.0}, DType::kFloat64)), width);
}

}  // namespace

struct HybridModel::State final : ModelState {
  std::vector<std::unique_ptr<ComponentState>> components;
};

struct HybridModel::Pass {
  Tape& tape;
  const TokenBatch& batch;
  State* state = nullptr;
  std::int64_t step = -1;
  bool recompute = false;
  std::vector<Variable> alpha;  // realised, one per segment

  ForwardContext context(Tape& on, std::int64_t k) const {
    return {on, batch, state ? state->components[static_cast<std::size_t>(k)].get() : nullptr};
  }
};

HybridModel::HybridModel(std::vector<HybridPart> parts, ArchitectureWeights alpha,
                         const HybridOptions& options)
    : parts_(std::move(parts)), alpha_(std::move(alpha)), options_(options) {
  PERYTON_CHECK(parts_.size() >= 2 && alpha_.segments() == options_.segments);
  vocabulary_ = options_.vocabulary;
  for (const HybridPart& part : parts_) {
    const ComponentShape& shape = part.component->shape();
    width_ = std::max(width_, shape.width);
    if (options_.vocabulary == 0 && (vocabulary_ == 0 || shape.vocabulary < vocabulary_)) {
      vocabulary_ = shape.vocabulary;
    }
    const std::size_t k = boundaries_.size();
    boundaries_.push_back(options_.boundaries.empty()
                              ? segment_boundaries(shape.blocks, options_.segments)
                              : options_.boundaries.at(k));
    for (const ParameterPtr& parameter : part.component->parameters()) {
      parameter->name = fmt::format("components.{}.{}", part.name, parameter->name);
    }
  }
  if (options_.width > 0) width_ = options_.width;
  for (std::int64_t i = 0; i < options_.segments; ++i) {
    for (const HybridPart& part : parts_) {
      const std::string name = fmt::format("projectors.{}.{}", i, part.name);
      const std::int64_t own = part.component->shape().width;
      inputs_.emplace_back(name + ".in", options_.projectors, width_, own, options_.dtype);
      outputs_.emplace_back(name + ".out", options_.projectors, own, width_, options_.dtype);
    }
  }
}

std::vector<ParameterPtr> HybridModel::parameters() const {
  // A component's own parameters stay together (few of them train in a hybrid); alpha lies beside
  // the projectors of its segment, heads come last, so that buckets fill from the heads down.
  std::vector<ParameterPtr> list, tail;
  for (const HybridPart& part : parts_) {
    for (const ParameterPtr& parameter : part.component->parameters()) {
      if (parameter->same_as) continue;  // listed where it is held
      (parameter->group == "heads" ? tail : list).push_back(parameter);
    }
  }
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (i % parts_.size() == 0) list.push_back(alpha_.parameters()[i / parts_.size()]);
    for (const ParameterPtr& parameter : inputs_[i].parameters()) list.push_back(parameter);
    for (const ParameterPtr& parameter : outputs_[i].parameters()) list.push_back(parameter);
  }
  list.insert(list.end(), tail.begin(), tail.end());
  return list;
}

Variable HybridModel::embed(Pass& pass) {
  const Variable& alpha = pass.alpha.front();
  std::vector<Variable> terms;
  std::vector<double> weights;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    if (!takes_part(alpha, k)) continue;
    terms.push_back(
        parts_[static_cast<std::size_t>(k)].component->embed(pass.context(pass.tape, k)));
    weights.push_back(entry(alpha, k));
  }
  const Variable coefficients =
      alpha.needs_gradient() ? alpha : pass.tape.constant(from_doubles(weights, alpha.dtype()));
  return weighted_sum(pass.tape, terms, coefficients, width_);
}

Variable HybridModel::run_component(Tape& tape, Pass& pass, std::int64_t segment, std::int64_t k,
                                    const SegmentAlpha& alpha, const Variable& h) {
  Component& component = *parts_[static_cast<std::size_t>(k)].component;
  const ForwardContext context = pass.context(tape, k);
  const Variable c = input_coefficients(tape, options_.gate, alpha, k);
  Variable u;
  if (!projects_input(c)) {
    u = weighted_sum(tape, {h}, tape.constant(from_doubles({entry(c, 1)}, c.dtype())),
                     component.shape().width);
  } else {
    const Variable projected = input_projector(segment, k)(tape, h);
    u = weighted_sum(tape, {projected, h}, c, component.shape().width);
  }
  const auto& cuts = boundaries(k);
  const auto i = static_cast<std::size_t>(segment);
  Variable v = component.run(context, cuts[i], cuts[i + 1], u);
  return segment + 1 == segments() ? component.final_norm(context, v) : v;
}

Variable HybridModel::run_segment(Tape& tape, Pass& pass, std::int64_t segment,
                                  const SegmentAlpha& alpha, const Variable& h) {
  const Variable c = output_coefficients(tape, options_.gate, alpha);
  std::vector<Variable> terms;
  std::vector<double> weights;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    if (!takes_part(alpha.here, k)) continue;
    const Variable v = run_component(tape, pass, segment, k, alpha, h);
    if (projects_output(c, k)) {
      terms.push_back(output_projector(segment, k)(tape, v));
      weights.push_back(entry(c, 2 * k));
    }
    if (takes_part(c, 2 * k + 1)) {
      terms.push_back(v);
      weights.push_back(entry(c, 2 * k + 1));
    }
  }
  const Variable coefficients =
      c.needs_gradient() ? c : tape.constant(from_doubles(weights, c.dtype()));
  return weighted_sum(tape, terms, coefficients, width_);
}

Variable HybridModel::hidden(Pass& pass) {
  pass.alpha = realise_alpha(pass.tape, pass.step);
  Variable h = embed(pass);
  for (std::int64_t i = 0; i < segments(); ++i) {
    const SegmentAlpha alpha = alpha_of_segment(pass.alpha, i);
    if (!pass.recompute) {
      h = run_segment(pass.tape, pass, i, alpha, h);
      continue;
    }
    // The neighbours' alphas are inputs too; an absent one is left out and found again by position.
    std::vector<Variable> inputs{h, alpha.here};
    if (alpha.previous.defined()) inputs.push_back(alpha.previous);
    if (alpha.next.defined()) inputs.push_back(alpha.next);
    h = pass.tape.recompute(
        inputs, [this, batch = pass.batch, i](Tape& tape, const std::vector<Variable>& in) {
          Pass inner{tape, batch, nullptr, -1, false, {}};
          std::size_t next = 2;
          SegmentAlpha own{Variable(), in[1], Variable()};
          if (i > 0) own.previous = in[next++];
          if (i + 1 < segments()) own.next = in[next];
          return run_segment(tape, inner, i, own, in[0]);
        });
  }
  return h;
}

std::vector<Variable> HybridModel::realise_alpha(Tape& tape, std::int64_t step) const {
  std::vector<Variable> alpha;
  for (std::int64_t i = 0; i < segments(); ++i) alpha.push_back(alpha_.realise(tape, i, step));
  return alpha;
}

const Variable& HybridModel::head_alpha(const std::vector<Variable>& alpha) const {
  return options_.released_code ? alpha.front() : alpha.back();
}

Variable HybridModel::mix_heads(Pass& pass, const Variable& h, const HeadVisit& visit) {
  const Variable& alpha = head_alpha(pass.alpha);
  std::vector<double> weights;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(parts_.size()); ++k) {
    if (!takes_part(alpha, k)) continue;
    Component& component = *parts_[static_cast<std::size_t>(k)].component;
    visit(component, pass.context(pass.tape, k), fit(pass.tape, h, component.shape().width));
    weights.push_back(entry(alpha, k));
  }
  if (alpha.needs_gradient()) return alpha;
  return pass.tape.constant(from_doubles(weights, alpha.dtype()));
}

HeadLoss HybridModel::loss(Tape& tape, const LossRequest& request) {
  Pass pass{tape, request.batch, nullptr, request.step, request.recompute, {}};
  const Variable h = hidden(pass);
  HeadLossArgs args;
  args.coefficients = mix_heads(
      pass, h, [&](Component& component, const ForwardContext& context, const Variable& own) {
        args.terms.push_back(component.head_term(context, own));
      });
  args.vocabulary = vocabulary_;
  args.targets = request.targets;
  args.weights = request.weights;
  args.scale = request.scale;
  return head_loss(tape, args);
}

Tensor HybridModel::logits(Tape& tape, const TokenBatch& batch, ModelState* state) {
  Pass pass{tape, batch, static_cast<State*>(state), -1, false, {}};
  const Variable h = hidden(pass);
  std::vector<Variable> terms;
  const Variable coefficients = mix_heads(
      pass, h, [&](Component& component, const ForwardContext& context, const Variable& own) {
        terms.push_back(component.logits(context, own));
      });
  return weighted_sum(tape, terms, coefficients, vocabulary_).value();
}

std::unique_ptr<ModelState> HybridModel::make_state(std::int64_t rows, std::int64_t capacity) {
  auto state = std::make_unique<State>();
  for (const HybridPart& part : parts_) {
    state->components.push_back(part.component->make_state(rows, capacity));
  }
  return state;
}

void HybridModel::initialise_projectors(ProjectorStart start, std::uint64_t seed) {
  for (Projector& projector : inputs_) projector.initialise(start, seed);
  for (Projector& projector : outputs_) projector.initialise(start, seed);
}

void HybridModel::set_alpha(ArchitectureWeights alpha) {
  PERYTON_CHECK(alpha.segments() == segments());
  alpha_ = std::move(alpha);
}

}  // namespace peryton
