// Forward: keys and values are packed once for all their queries; then blocks of queries go over
// blocks of keys with a running softmax (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm
// 1). Blocks are cut by the shape alone and visited in order, so every sum has one order whatever
// the number of threads. Blocks that no query sees are skipped.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_dots.h"
#include "kernels/attention/forward_block.h"
#include "kernels/common/argument_error.h"
#include "kernels/gemm/gemm_dots.h"

namespace peryton::kernels {
namespace {

bool packs(const AttentionShape& s) { return s.queries >= kFewQueries; }

template <class Panels>
void pack_block(const Panels& panels, const AttentionForwardArgs<float>& a, std::int64_t index,
                std::int64_t key) {
  const PackedHead<Panels> packed(panels, a.shape, a.workspace, index);
  const std::int64_t b = index / a.shape.kv_heads, kv_head = index % a.shape.kv_heads;
  const std::int64_t keys = std::min(kKeyBlock, a.shape.keys() - key);
  const std::int64_t columns = panels.shape().columns;
  panels.pack({a.k.at(b, kv_head) + key * a.k.token, a.k.token, 1}, keys, a.shape.width, columns,
              packed.keys_of(key));
  panels.pack({a.v.at(b, kv_head) + key * a.v.token, 1, a.v.token}, a.shape.width, keys, columns,
              packed.values_of(key));
}

template <class Panels>
std::int64_t all_panels(const AttentionShape& s) {
  return s.batch * s.kv_heads * PackedHead<Panels>::floats(s);
}

template <class Panels>
std::int64_t scratch_floats(const AttentionShape& s) {
  return ForwardScratch<Panels>().lay_out(s, nullptr);
}

// Calls task(block) for every block of queries; scratch memory begins at `memory`.
template <class Panels, class F>
void for_query_blocks(const AttentionForwardArgs<float>& args, const Context& context,
                      float* memory, F&& task) {
  const AttentionShape& s = args.shape;
  const std::int64_t blocks = divide_up(s.queries, kQueryBlock);
  const std::int64_t each = scratch_floats<Panels>(s);
  parallel_for_worker(context, s.batch * s.heads * blocks, [&](std::int64_t index, int worker) {
    const std::int64_t pair = index / blocks, query = index % blocks * kQueryBlock;
    ForwardScratch<Panels> scratch;
    scratch.lay_out(s, memory + worker * each);
    QueryBlock<Panels> block(args, pair / s.heads, pair % s.heads, query, scratch);
    task(block);
  });
}

template <class Panels>
void forward(const Panels& panels, const AttentionForwardArgs<float>& args,
             const Context& context) {
  const AttentionShape& s = args.shape;
  const std::int64_t blocks = divide_up(s.keys(), kKeyBlock);
  parallel_for(context, s.batch * s.kv_heads * blocks, [&](std::int64_t task) {
    pack_block(panels, args, task / blocks, task % blocks * kKeyBlock);
  });
  for_query_blocks<Panels>(args, context, args.workspace + all_panels<Panels>(s),
                           [&](QueryBlock<Panels>& block) { block.over_panels(panels); });
}

}  // namespace

void check_attention(const AttentionShape& s) {
  require(s.kv_heads > 0 && s.heads % s.kv_heads == 0, "attention", s.heads, " heads share ",
          s.kv_heads, " heads of keys");
  require(s.scale > 0, "attention", "scale ", s.scale, " is not positive");
  require(s.document_start == nullptr || s.past == 0, "attention", "documents and a past together");
}

std::int64_t attention_forward_workspace(const AttentionShape& s, int threads) {
  const std::int64_t panels =
      packs(s) ? std::max(all_panels<FloatPanels>(s), all_panels<PairPanels>(s)) : 0;
  return panels + std::max(1, threads) *
                      std::max(scratch_floats<FloatPanels>(s), scratch_floats<PairPanels>(s));
}

namespace cpu {

void attention_forward_dots(const PairKernels& kernels, const AttentionForwardArgs<float>& args,
                            const Context& context) {
  check_attention(args.shape);
  require(packs(args.shape), "attention", args.shape.queries, " queries are too few to round");
  forward(PairPanels{kernels}, args, context);
}

template <>
void attention_forward(const AttentionForwardArgs<float>& args, const Context& context) {
  check_attention(args.shape);
  if (!packs(args.shape)) {
    return for_query_blocks<FloatPanels>(args, context, args.workspace,
                                         [](QueryBlock<FloatPanels>& block) { block.over_rows(); });
  }
  if (!context.bf16_dots) return forward(FloatPanels(), args, context);
  require(has_bf16_dots(), "attention", "this processor has no bf16 dot products");
  attention_forward_dots(*available_pair_kernels().front(), args, context);
}

template <>
void attention_forward(const AttentionForwardArgs<double>& args, const Context& context) {
  check_attention(args.shape);
  reference::attention_forward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
