// A named weight of a model. Whether it trains is decided by the stage, which then gives it a slot
// in the arena of trainables (optim/arena.h); a frozen parameter has no gradient and no slot.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "framework/core/tensor.h"

namespace peryton {

struct Parameter {
  std::string
      name;  // full name in the model, for example "neox.gpt_neox.layers.0.attention.dense.weight"
  std::string group;  // freezing and optimiser group: alpha, projectors, embeddings, components,
                      // norms, heads
  Tensor value;
  Tensor gradient;  // defined only while trainable; gradients are added to it
  bool trainable = false;
  bool decays =
      true;  // false: weight decay never applies (norms, biases, A_log, D, dt_bias, alpha)
  // Counts the changes of `value`, for what is derived from it and kept (ternary weights). Whoever
  // writes into a value that may have been used already adds one; the arena does.
  std::uint64_t version = 0;
  // Set: this is only another name of that parameter (a table that components share), which holds
  // the value and trains; a tape reads and writes that one.
  std::shared_ptr<Parameter> same_as = nullptr;
  Parameter& holder() { return same_as ? *same_as : *this; }
};

using ParameterPtr = std::shared_ptr<Parameter>;

}  // namespace peryton
