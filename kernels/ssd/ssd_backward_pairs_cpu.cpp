// A task of the backward with products of bfloat16 pairs.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd_pairs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_backward_pairs_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/backward_task-inl.h"
#include "kernels/ssd/pair_factors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

void BackwardPairs(const PairTiles& pairs, const SsdBackwardArgs<float>& args,
                   const SsdChunkTable& table, const GroupParts<float>& parts,
                   const BackwardPartials<float>& partials, const BackwardTiles<float>& tiles,
                   std::int64_t task) {
  BackwardTask(PairFactors{pairs}, args, table, parts, partials, tiles, task);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(BackwardPairs);

void backward_pairs_task(const PairTiles& pairs, const SsdBackwardArgs<float>& args,
                         const SsdChunkTable& table, const GroupParts<float>& parts,
                         const BackwardPartials<float>& partials, const BackwardTiles<float>& tiles,
                         std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(BackwardPairs)(pairs, args, table, parts, partials, tiles, task);
}

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
