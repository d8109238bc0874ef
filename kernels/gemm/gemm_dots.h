// The product of matrices that are both rounded to bfloat16, on chosen kernels; for tests that
// compare them on one machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "kernels/common/dtype.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/pair_kernels.h"

namespace peryton::kernels::cpu {

// Those that this processor has and PERYTON_MAX_ISA allows, the best first; null at the end.
std::array<const PairKernels*, 2> available_pair_kernels();

// cpu::gemm with args.bf16_dots without the choice, for any number of rows; the workspace is that
// of gemm_workspace<float, A, BFloat16>().
template <class A, class B>
void gemm_dots(const PairKernels& kernels, const GemmArgs<float, A, B>& args,
               const Context& context);

}  // namespace peryton::kernels::cpu
