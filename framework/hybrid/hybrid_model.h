// K frozen (or trained) components joined per segment by projectors, gates and alpha; the formulas
// are in gate.h. The embeddings mix with alpha of the first segment, the heads with that of the
// last (released_code: the first). Final norms belong to the last segment of their component. Where
// a fixed alpha is exactly 0 the component is not run; where it is 1 on one component everywhere
// the hybrid is that component bit for bit.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/hybrid/architecture_weights.h"
#include "framework/hybrid/gate.h"
#include "framework/hybrid/language_model.h"
#include "framework/hybrid/projector.h"

namespace peryton {

struct HybridPart {
  std::string name;
  std::shared_ptr<Component> component;
};

struct HybridOptions {
  std::int64_t segments = 4;
  // Cuts of each component's depth; empty: nearly equal ones (segments.h).
  std::vector<std::vector<std::int64_t>> boundaries;
  std::int64_t width = 0;  // of the shared space; 0: the widest component's
  Gate gate = Gate::kTransition;
  ProjectorKind projectors = ProjectorKind::kLinear;
  bool released_code = false;     // heads mix with alpha of the first segment
  std::int64_t vocabulary = 0;    // softmax width; 0: the smallest component vocabulary
  DType dtype = DType::kFloat32;  // of projectors and activations
};

class HybridModel final : public LanguageModel {
 public:
  // Projectors are allocated, not initialised. An impossible combination is the user's error.
  HybridModel(std::vector<HybridPart> parts, ArchitectureWeights alpha,
              const HybridOptions& options);

  // Parameters are renamed to components.<name>.<tensor>; projectors.<segment>.<name>.in|out.*;
  // alpha.<segment>.
  std::vector<ParameterPtr> parameters() const override;
  std::int64_t vocabulary() const override { return vocabulary_; }
  HeadLoss loss(Tape& tape, const LossRequest& request) override;
  Tensor logits(Tape& tape, const TokenBatch& batch, ModelState* state) override;
  std::unique_ptr<ModelState> make_state(std::int64_t rows, std::int64_t capacity) override;
  ForwardFlops forward_flops_per_token(std::int64_t length) const override;
  std::int64_t head_products() const override;
  void pack_frozen(const Component::KeepValue& keep) override {
    for (const HybridPart& part : parts_) part.component->pack_frozen(keep);
  }
  std::vector<std::vector<double>> alpha() const override { return alpha_.values(); }

  void initialise_projectors(ProjectorStart start, std::uint64_t seed);
  // Another alpha (other values, parameterisation or both) for the next stage.
  void set_alpha(ArchitectureWeights alpha);

  std::int64_t width() const { return width_; }
  std::int64_t segments() const { return options_.segments; }
  const HybridOptions& options() const { return options_; }
  const std::vector<HybridPart>& parts() const { return parts_; }
  const ArchitectureWeights& architecture_weights() const { return alpha_; }
  Projector& input_projector(std::int64_t segment, std::int64_t k) {
    return inputs_[index(segment, k)];
  }
  Projector& output_projector(std::int64_t segment, std::int64_t k) {
    return outputs_[index(segment, k)];
  }
  const std::vector<std::int64_t>& boundaries(std::int64_t k) const {
    return boundaries_[static_cast<std::size_t>(k)];
  }

 private:
  struct State;  // caches of the components, for generation
  struct Pass;   // one forward: contexts, alpha of every segment

  std::size_t index(std::int64_t segment, std::int64_t k) const {
    return static_cast<std::size_t>(segment) * parts_.size() + static_cast<std::size_t>(k);
  }
  Variable embed(Pass& pass);
  Variable hidden(Pass& pass);  // what the heads read
  Variable run_segment(Tape& tape, Pass& pass, std::int64_t segment, const SegmentAlpha& alpha,
                       const Variable& h);
  Variable run_component(Tape& tape, Pass& pass, std::int64_t segment, std::int64_t k,
                         const SegmentAlpha& alpha, const Variable& h);
  // Visits every component of the head mix with the state it reads; returns the coefficients.
  using HeadVisit = std::function<void(Component&, const ForwardContext&, const Variable&)>;
  Variable mix_heads(Pass& pass, const Variable& h, const HeadVisit& visit);
  // One per segment.
  std::vector<Variable> realise_alpha(Tape& tape, std::int64_t step) const;
  const Variable& head_alpha(const std::vector<Variable>& alpha) const;
  // `gradient`: whether the hidden states need one, and afterwards whether those that come out do.
  ForwardFlops segment_flops(Tape& tape, const SegmentAlpha& alpha, std::int64_t segment,
                             std::int64_t length, bool& gradient) const;
  // Components whose heads a loss multiplies with, under the alpha of the heads.
  std::vector<Component*> distinct_heads(const Variable& alpha) const;

  std::vector<HybridPart> parts_;
  ArchitectureWeights alpha_;
  HybridOptions options_;
  std::int64_t width_ = 0, vocabulary_ = 0;
  std::vector<std::vector<std::int64_t>> boundaries_;  // [component][segment + 1]
  std::vector<Projector> inputs_, outputs_;            // [segment * K + component]
};

}  // namespace peryton
