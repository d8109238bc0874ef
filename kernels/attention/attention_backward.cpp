// Backward: a worker takes one head of keys and values with all its query heads. Scores lie
// transposed, [keys, queries], so that the left operand of every product but one is read where it
// lies: keys and values for the scores, the scores themselves for d_k and d_v. The gradient of a
// block of queries is summed transposed, d_q^T = K^T dS^T: K is turned once for all of them. Blocks
// are cut by the shape alone and visited in order, so every sum has one order whatever the number
// of threads.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_dots.h"
#include "kernels/attention/backward_block.h"
#include "kernels/common/argument_error.h"
#include "kernels/gemm/gemm_dots.h"
#include "kernels/gemm/round_rows.h"

namespace peryton::kernels {
namespace {

template <class Panels>
void pack_keys(const Panels& panels, const AttentionBackwardArgs<float>& a, std::int64_t b,
               std::int64_t kv_head, const BackwardScratch<Panels>& scratch) {
  const AttentionShape& s = a.shape;
  const float *k = a.k.at(b, kv_head), *v = a.v.at(b, kv_head);
  const std::int64_t height = panels.shape().rows;
  constexpr std::int64_t kKeys = BackwardScratch<Panels>::kKeys;
  for (std::int64_t key = 0; key < s.keys(); key += kKeys) {
    panels.pack({k + key * a.k.token, 1, a.k.token}, s.width, std::min(kKeys, s.keys() - key),
                height, scratch.k_panels + key * round_up(s.width, height));
  }
  if constexpr (Panels::kRounds) {
    const std::int64_t stride = Panels::stored(s.width);
    cpu::round_rows(k, a.k.token, s.keys(), s.width, Panels::bits(scratch.k_rows), stride);
    cpu::round_rows(v, a.v.token, s.keys(), s.width, Panels::bits(scratch.v_rows), stride);
  }
}

template <class Panels>
std::int64_t scratch_floats(const AttentionShape& s) {
  return BackwardScratch<Panels>().lay_out(s, nullptr);
}

template <class Panels>
void backward(const Panels& panels, const AttentionBackwardArgs<float>& args,
              const Context& context) {
  const AttentionShape& s = args.shape;
  check_attention(s);
  require(s.past == 0, "attention", "no backward through a past");
  const std::int64_t group = s.heads / s.kv_heads, each = scratch_floats<Panels>(s);
  parallel_for_worker(context, s.batch * s.kv_heads, [&](std::int64_t task, int worker) {
    const std::int64_t b = task / s.kv_heads, kv_head = task % s.kv_heads;
    BackwardScratch<Panels> scratch;
    scratch.lay_out(s, args.workspace + worker * each);
    std::fill_n(scratch.d_k, s.keys() * s.width, 0.0f);
    std::fill_n(scratch.d_v, s.keys() * s.width, 0.0f);
    pack_keys(panels, args, b, kv_head, scratch);
    for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      QueryHead<Panels> queries(panels, args, b, head, scratch);
      queries.all_blocks();
    }
    store_rows(scratch.d_k, s.width, s.keys(), s.width, args.d_k.at(b, kv_head), args.d_k.token);
    store_rows(scratch.d_v, s.width, s.keys(), s.width, args.d_v.at(b, kv_head), args.d_v.token);
  });
}

}  // namespace

std::int64_t attention_backward_workspace(const AttentionShape& s, int threads) {
  return std::max(1, threads) *
         std::max(scratch_floats<FloatPanels>(s), scratch_floats<PairPanels>(s));
}

namespace cpu {

void attention_backward_dots(const PairKernels& kernels, const AttentionBackwardArgs<float>& args,
                             const Context& context) {
  backward(PairPanels{kernels}, args, context);
}

template <>
void attention_backward(const AttentionBackwardArgs<float>& args, const Context& context) {
  const bool few = args.shape.queries < kFewQueries;
  if (few || !context.bf16_dots) return backward(FloatPanels(), args, context);
  require(has_bf16_dots(), "attention", "this processor has no bf16 dot products");
  attention_backward_dots(*available_pair_kernels().front(), args, context);
}

template <>
void attention_backward(const AttentionBackwardArgs<double>& args, const Context& context) {
  check_attention(args.shape);
  require(args.shape.past == 0, "attention", "no backward through a past");
  reference::attention_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
