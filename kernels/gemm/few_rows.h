// A few rows times a transposed bfloat16 matrix (generation): B is read once, where it lies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"

namespace peryton::kernels::cpu {

// As gemm(), for transpose_b without transpose_a; needs no workspace. The bits of a row of C do not
// depend on the other rows.
void few_rows(const GemmArgs<float, float, BFloat16>& args, const Context& context);
void few_rows(const GemmArgs<float, BFloat16, BFloat16>& args, const Context& context);

}  // namespace peryton::kernels::cpu
