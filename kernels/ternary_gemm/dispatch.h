// The integer product on a chosen instruction set; for tests that compare them on one machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "kernels/ternary_gemm/block_kernels.h"
#include "kernels/ternary_gemm/ternary_gemm.h"

namespace peryton::kernels::ternary {

// Those that this processor has and PERYTON_MAX_ISA allows, the best first; null at the end.
std::array<const Kernels*, 4> available_kernels();

// Bytes of the workspace that those kernels need; 0: none.
std::int64_t workspace_bytes(const Kernels& kernels, const TernaryShape& shape,
                             std::int64_t tokens);

// cpu::ternary_gemm without the choice.
template <class T>
void gemm_on(const Kernels& kernels, const TernaryGemmArgs<T>& args, const Context& context);

}  // namespace peryton::kernels::ternary
