// A tensor with the name under which a file holds it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "framework/core/tensor.h"

namespace peryton {

struct NamedTensor {
  std::string name;
  Tensor value;
};

}  // namespace peryton
