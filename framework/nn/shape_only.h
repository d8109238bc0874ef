// Tensors that are there in dtype and shape alone: parameters that were not read yet, and those
// whose values were released because a shorter form of them is kept.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/core/parameter.h"

namespace peryton {

// Every row of it is the same row, of NaNs (bytes: 255), so a use of it by mistake shows. Takes the
// memory of one row; of a vector, that of the vector.
Tensor shape_only(DType dtype, const Shape& shape);
// Of a tensor of two dimensions or more; vectors are always whole.
bool is_shape_only(const Tensor& tensor);

// A released value: shape_only, and another version of the parameter.
void release_value(Parameter& parameter);
bool is_released(const Parameter& parameter);

}  // namespace peryton
