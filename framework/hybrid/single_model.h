// A component alone as a language model: what pretraining, baselines and `score` use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/hybrid/language_model.h"

namespace peryton {

class SingleModel final : public LanguageModel {
 public:
  // `vocabulary`: width of the softmax; 0 keeps the component's own, padding rows included.
  explicit SingleModel(std::shared_ptr<Component> component, std::int64_t vocabulary = 0);

  std::vector<ParameterPtr> parameters() const override { return component_->parameters(); }
  std::int64_t vocabulary() const override { return vocabulary_; }
  HeadLoss loss(Tape& tape, const LossRequest& request) override;
  Tensor logits(Tape& tape, const TokenBatch& batch, ModelState* state) override;
  std::unique_ptr<ModelState> make_state(std::int64_t rows, std::int64_t capacity) override;
  ForwardFlops forward_flops_per_token(std::int64_t length) const override;
  std::int64_t head_products() const override { return 1; }
  void pack_frozen(const Component::KeepValue& keep) override { component_->pack_frozen(keep); }

  // Another softmax width, at most the component's own vocabulary.
  void set_vocabulary(std::int64_t vocabulary);
  Component& component() { return *component_; }

 private:
  // The normed hidden state that the head reads.
  Variable hidden(const ForwardContext& context);

  std::shared_ptr<Component> component_;
  std::int64_t vocabulary_ = 0;
};

}  // namespace peryton
