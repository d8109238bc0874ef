// The scan with products of bfloat16 pairs: every matrix product of a chunk rounds its factors to
// bfloat16; time steps, decays, states, their gradients and all sums stay float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ssd/backward_tiles.h"
#include "kernels/ssd/forward_tiles.h"
#include "kernels/ssd/group_parts.h"
#include "kernels/ssd/pair_tiles.h"
#include "kernels/ssd/ssd.h"

namespace peryton::kernels::cpu {

// cpu::ssd_forward and cpu::ssd_backward with Context::bf16_dots on chosen products, for tests that
// compare them on one machine.
void ssd_forward_pairs(const PairTiles& pairs, const SsdForwardArgs<float>& args,
                       const SsdChunkTable& table, std::int64_t chunk, float* workspace,
                       const Context& context);
void ssd_backward_pairs(const PairTiles& pairs, const SsdBackwardArgs<float>& args,
                        const SsdChunkTable& table, std::int64_t chunk, float* workspace,
                        const Context& context);

// One of their tasks; files of their own, because they take long to compile.
void forward_pairs_task(const PairTiles& pairs, const SsdForwardArgs<float>& args,
                        const SsdChunkTable& table, const GroupParts<float>& parts,
                        const ForwardTiles<float>& tiles, std::int64_t task);
void backward_pairs_task(const PairTiles& pairs, const SsdBackwardArgs<float>& args,
                         const SsdChunkTable& table, const GroupParts<float>& parts,
                         const BackwardPartials<float>& partials, const BackwardTiles<float>& tiles,
                         std::int64_t task);

}  // namespace peryton::kernels::cpu
