// The hybrids of tests/golden/hybrid as models, with their expected values.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/checkpoint/safetensors.h"
#include "framework/hybrid/hybrid_model.h"

namespace peryton::test {

struct GoldenHybrid {
  std::unique_ptr<HybridModel> model;
  SafetensorsFile expected;
  std::int64_t vocabulary;
  bool one_hot;
};

// Every case folder's name.
std::vector<std::string> golden_hybrid_cases();
// alpha in the given parameterisation, all parameters trainable with gradient slots of their own.
GoldenHybrid load_golden_hybrid(const std::string& name, AlphaParameterisation alpha,
                                DType dtype = DType::kFloat32);

// Gives every parameter of the model a zeroed gradient and marks it trainable.
void make_all_trainable(const LanguageModel& model);

// ids [B, T] with targets and document starts (may be undefined) as a request with scale 1 /
// targets.
LossRequest golden_request(const SafetensorsFile& expected);

}  // namespace peryton::test
