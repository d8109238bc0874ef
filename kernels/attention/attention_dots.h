// Attention whose products round their factors to bfloat16 (Context::bf16_dots), on chosen kernels;
// for tests that compare them on one machine. Forward needs eight queries: fewer stay float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/gemm/pair_kernels.h"

namespace peryton::kernels::cpu {

void attention_forward_dots(const PairKernels& kernels, const AttentionForwardArgs<float>& args,
                            const Context& context);
void attention_backward_dots(const PairKernels& kernels, const AttentionBackwardArgs<float>& args,
                             const Context& context);

}  // namespace peryton::kernels::cpu
