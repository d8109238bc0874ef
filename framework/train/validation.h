// Mean loss over held-out rows, shared out over the data-parallel ranks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/comm/communicator.h"
#include "framework/data/sampler.h"
#include "framework/hybrid/language_model.h"
#include "kernels/common/context.h"

namespace peryton {

struct ValidationArgs {
  const EvaluationRows& rows;
  std::int64_t max_tokens = 0;  // rows are taken from the front until about so many; 0: all
  std::int64_t micro_batch = 8;
};

// Collective; the same on every rank. Nats per scored token.
double validation_loss(LanguageModel& model, const ValidationArgs& args, Communicator& ranks,
                       const kernels::Context& context);

}  // namespace peryton
