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

}  // namespace peryton
