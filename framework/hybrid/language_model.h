// What the trainer, evaluation and generation see: a component alone or a hybrid.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "framework/core/parameter.h"
#include "framework/families/family.h"
#include "framework/families/flops.h"
#include "framework/ops/head_loss.h"

namespace peryton {

// Rows for one forward pass with what they should predict.
struct LossRequest {
  TokenBatch batch;
  Tensor targets;          // int32 [B, T]; negative: no loss
  Tensor weights;          // float32 [B, T] or undefined
  double scale = 1;        // HeadLossArgs::scale
  std::int64_t step = -1;  // training step, the key of Gumbel noise; -1: evaluation, no noise
  bool recompute = false;  // keep only the inputs of segments
};

// Generation caches of all components.
class ModelState {
 public:
  virtual ~ModelState() = default;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // In order of execution, each once. Frozen and trainable ones.
  virtual std::vector<ParameterPtr> parameters() const = 0;
  // Width of the softmax; padding rows of the heads are left out.
  virtual std::int64_t vocabulary() const = 0;
  virtual HeadLoss loss(Tape& tape, const LossRequest& request) = 0;
  // [B, T, vocabulary()] in the compute dtype. With a state the batch continues it (batch.past
  // tokens are in it).
  virtual Tensor logits(Tape& tape, const TokenBatch& batch, ModelState* state = nullptr) = 0;
  virtual std::unique_ptr<ModelState> make_state(std::int64_t rows, std::int64_t capacity) = 0;
  // Per token, at a context of `length` tokens. What a fixed alpha leaves out does not count, and
  // heads that share a table and so a product count once.
  virtual ForwardFlops forward_flops_per_token(std::int64_t length) const = 0;
  // Products with head matrices in a loss: heads that share a table have one.
  virtual std::int64_t head_products() const = 0;
  // Component::pack_frozen of every component.
  virtual void pack_frozen(const Component::KeepValue& keep) = 0;
  // Realised alpha without noise, [segment][component]; empty for a component alone.
  virtual std::vector<std::vector<double>> alpha() const { return {}; }
};

// Elements of the parameters; only the trainable ones if asked.
std::int64_t parameter_count(const LanguageModel& model, bool trainable_only = false);

}  // namespace peryton
