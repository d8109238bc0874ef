// A task of the forward with products of bfloat16 pairs.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/ssd/ssd_pairs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ssd/ssd_pairs_cpu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// After highway.h
#include "kernels/ssd/forward_task-inl.h"
#include "kernels/ssd/pair_factors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

void ForwardPairs(const PairTiles& pairs, const SsdForwardArgs<float>& args,
                  const SsdChunkTable& table, const GroupParts<float>& parts,
                  const ForwardTiles<float>& tiles, std::int64_t task) {
  ForwardTask(PairFactors{pairs}, args, table, parts, tiles, task);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace peryton::kernels::cpu {

HWY_EXPORT(ForwardPairs);

void forward_pairs_task(const PairTiles& pairs, const SsdForwardArgs<float>& args,
                        const SsdChunkTable& table, const GroupParts<float>& parts,
                        const ForwardTiles<float>& tiles, std::int64_t task) {
  HWY_DYNAMIC_DISPATCH(ForwardPairs)(pairs, args, table, parts, tiles, task);
}

}  // namespace peryton::kernels::cpu
#endif  // HWY_ONCE
