// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/single_model.h"

namespace peryton {
namespace {

struct SingleState final : ModelState {
  std::unique_ptr<ComponentState> component;
};

}  // namespace

SingleModel::SingleModel(std::shared_ptr<Component> component, std::int64_t vocabulary)
    : component_(std::move(component)) {
  set_vocabulary(vocabulary > 0 ? vocabulary : component_->shape().vocabulary);
}

void SingleModel::set_vocabulary(std::int64_t vocabulary) {
  PERYTON_CHECK(vocabulary <= component_->shape().vocabulary, "softmax of {} over {} rows",
                vocabulary, component_->shape().vocabulary);
  vocabulary_ = vocabulary;
}

Variable SingleModel::hidden(const ForwardContext& context) {
  Variable h = component_->embed(context);
  h = component_->run(context, 0, component_->shape().blocks, h);
  return component_->final_norm(context, h);
}

HeadLoss SingleModel::loss(Tape& tape, const LossRequest& request) {
  const ForwardContext context{tape, request.batch};
  HeadLossArgs args;
  args.terms = {component_->head_term(context, hidden(context))};
  args.vocabulary = vocabulary_;
  args.targets = request.targets;
  args.weights = request.weights;
  args.scale = request.scale;
  return head_loss(tape, args);
}

Tensor SingleModel::logits(Tape& tape, const TokenBatch& batch, ModelState* state) {
  auto* own = static_cast<SingleState*>(state);
  const ForwardContext context{tape, batch, own ? own->component.get() : nullptr};
  const Tensor all = component_->logits(context, hidden(context)).value();
  return all.slice(-1, 0, vocabulary_).as_contiguous();
}

std::unique_ptr<ModelState> SingleModel::make_state(std::int64_t rows, std::int64_t capacity) {
  auto state = std::make_unique<SingleState>();
  state->component = component_->make_state(rows, capacity);
  return state;
}

ForwardFlops SingleModel::forward_flops_per_token(std::int64_t length) const {
  const ComponentShape& shape = component_->shape();
  bool gradient = embedding_trains(*component_);
  ForwardFlops flops = block_flops_per_token(*component_, 0, shape.blocks, length, gradient);
  flops.add_product(*component_->head(), vocabulary_ * shape.width, gradient);
  return flops;
}

}  // namespace peryton
