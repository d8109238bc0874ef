// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/language_model.h"

namespace peryton {

std::int64_t parameter_count(const LanguageModel& model, bool trainable_only) {
  std::int64_t count = 0;
  for (const ParameterPtr& parameter : model.parameters()) {
    if (!trainable_only || parameter->trainable) count += weight_count(*parameter);
  }
  return count;
}

double training_flops_per_token(const LanguageModel& model, std::int64_t length) {
  // Matrices carry the multiply-adds; embeddings are look-ups and count through the head that is
  // tied to them.
  double all = 0, trained = 0;
  for (const ParameterPtr& parameter : model.parameters()) {
    if (parameter->value.rank() != 2 || parameter->group == "embeddings") continue;
    const auto size = static_cast<double>(weight_count(*parameter));
    all += size;
    if (parameter->trainable) trained += size;
  }
  const double share = all > 0 ? trained / all : 1.0;
  return model.forward_flops_per_token(length) * (2.0 + share);
}

}  // namespace peryton
