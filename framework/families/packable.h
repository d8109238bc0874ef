// What families with ternary weights offer beside Component: their weights in fewer bits, for
// files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "framework/core/named_tensor.h"

namespace peryton {

enum class PackedForm {
  kTwoBits,    // as the family publishes packed models: other programs read it
  kFiveTrits,  // five weights a byte (framework/ops/ternary_format.h): only Peryton reads it
};

// A model folder's content.
struct PackedModel {
  nlohmann::json config;
  std::vector<NamedTensor> tensors;
};

class Packable {
 public:
  virtual ~Packable() = default;
  // The same model to the bit when it is loaded again, but its ternary weights no longer train. A
  // model that has none, or whose sides the form cannot hold, is the user's error.
  virtual PackedModel packed(PackedForm form) const = 0;
};

}  // namespace peryton
