// Undoes what the conversion to GGUF did to the elements of a tensor.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "framework/core/tensor.h"
#include "framework/families/gguf/architecture.h"

namespace peryton::gguf {

// The tensor as a Hugging Face folder has it. Rows are the first dimension, d their number in one
// head, H the number of heads:
//   kInterleaved*    row (h, j, i) of the result, j < 2, i < d / 2, is row (h, i, j) of the file
//   kSeparateHeads   row (h, t, i) of the result, t < 3, i < d, is row (t, h, i) of the file
//   kNegativeExponential  log(-x)
// A shape that does not fit is the user's error at `place`.
Tensor changed(const Tensor& tensor, Change change, const Settings& settings,
               const std::string& place);

}  // namespace peryton::gguf
