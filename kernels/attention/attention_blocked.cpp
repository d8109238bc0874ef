// The loops over blocks of queries and keys. Blocks are cut by the shape alone and visited in
// order, so every sum has one order whatever the number of threads. Blocks that no query sees are
// skipped.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_blocks.h"
#include "kernels/common/argument_error.h"
#include "kernels/gemm/gemm.h"

namespace peryton::kernels {
namespace {

constexpr std::int64_t kScores = kQueryBlock * kKeyBlock;

// A block of queries of one head and, for a block of keys, who sees what.
struct Block {
  std::int64_t batch, query, rows;   // queries [query, query + rows)
  std::int64_t first_key, last_key;  // the union of what they see: [first_key, last_key)
  std::array<VisibleKeys, kQueryBlock> visible;

  Block(const AttentionShape& shape, std::int64_t b, std::int64_t q)
      : batch(b), query(q), rows(std::min(kQueryBlock, shape.queries - q)) {
    last_key = shape.past + query + rows;
    first_key = last_key;
    for (std::int64_t r = 0; r < rows; ++r) {
      first_key = std::min(first_key, shape.first_key(batch, query + r));
    }
  }

  void look_at(const AttentionShape& shape, std::int64_t key, std::int64_t keys) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t begin = shape.first_key(batch, query + r) - key;
      const std::int64_t end = shape.past + query + r + 1 - key;
      visible[r].end = std::clamp<std::int64_t>(end, 0, keys);
      visible[r].begin = std::clamp<std::int64_t>(begin, 0, visible[r].end);
    }
  }
};

void check(const AttentionShape& s) {
  require(s.kv_heads > 0 && s.heads % s.kv_heads == 0, "attention", s.heads, " heads share ",
          s.kv_heads, " heads of keys");
  require(s.scale > 0, "attention", "scale ", s.scale, " is not positive");
  require(s.document_start == nullptr || s.past == 0, "attention", "documents and a past together");
}

void forward_task(const AttentionForwardArgs<float>& a, std::int64_t b, std::int64_t head,
                  std::int64_t query, float* scores) {
  const AttentionShape& s = a.shape;
  const std::int64_t kv_head = head / (s.heads / s.kv_heads);
  Block block(s, b, query);
  std::array<float, kQueryBlock> largest, sum{};
  largest.fill(-std::numeric_limits<float>::infinity());
  float* output = a.output.at(b, head) + query * a.output.token;
  SoftmaxBlock part{scores,
                    block.rows,
                    0,
                    block.visible.data(),
                    static_cast<float>(s.scale),
                    largest.data(),
                    sum.data(),
                    output,
                    a.output.token,
                    s.width,
                    true};
  for (std::int64_t key = block.first_key; key < block.last_key; key += kKeyBlock) {
    part.keys = std::min(kKeyBlock, block.last_key - key);
    block.look_at(s, key, part.keys);
    cpu::gemm_tile<float>({.transpose_b = true,
                           .m = block.rows,
                           .n = part.keys,
                           .k = s.width,
                           .a = a.q.at(b, head) + query * a.q.token,
                           .lda = a.q.token,
                           .b = a.k.at(b, kv_head) + key * a.k.token,
                           .ldb = a.k.token,
                           .c = scores,
                           .ldc = part.keys});
    soften_block(part);
    cpu::gemm_tile<float>({.m = block.rows,
                           .n = s.width,
                           .k = part.keys,
                           .a = scores,
                           .lda = part.keys,
                           .b = a.v.at(b, kv_head) + key * a.v.token,
                           .ldb = a.v.token,
                           .beta = part.first ? 0.0f : 1.0f,
                           .c = output,
                           .ldc = a.output.token});
    part.first = false;
  }
  divide_block_by_sum(part);
  if (a.log_sum == nullptr) return;
  float* log_sum = a.log_sum + (b * s.heads + head) * s.queries + query;
  for (std::int64_t r = 0; r < block.rows; ++r) log_sum[r] = largest[r] + std::log(sum[r]);
}

// One block of queries of one head: overwrites its d_q, adds to d_k and d_v.
void backward_task(const AttentionBackwardArgs<float>& a, std::int64_t b, std::int64_t head,
                   std::int64_t query, float* scores) {
  const AttentionShape& s = a.shape;
  const std::int64_t kv_head = head / (s.heads / s.kv_heads);
  float* d_scores = scores + kScores;
  Block block(s, b, query);
  const float* q = a.q.at(b, head) + query * a.q.token;
  const float* output = a.output.at(b, head) + query * a.output.token;
  const float* d_output = a.d_output.at(b, head) + query * a.d_output.token;
  float* d_q = a.d_q.at(b, head) + query * a.d_q.token;
  std::array<float, kQueryBlock> shared;
  for (std::int64_t r = 0; r < block.rows; ++r) {
    shared[r] = dot_of_rows(output + r * a.output.token, d_output + r * a.d_output.token, s.width);
  }
  SoftmaxGradientBlock part{scores,
                            d_scores,
                            block.rows,
                            0,
                            block.visible.data(),
                            static_cast<float>(s.scale),
                            a.log_sum + (b * s.heads + head) * s.queries + query,
                            shared.data()};
  for (std::int64_t key = block.first_key; key < block.last_key; key += kKeyBlock) {
    const std::int64_t keys = part.keys = std::min(kKeyBlock, block.last_key - key);
    block.look_at(s, key, keys);
    const float* k = a.k.at(b, kv_head) + key * a.k.token;
    const float* v = a.v.at(b, kv_head) + key * a.v.token;
    float* d_k = a.d_k.at(b, kv_head) + key * a.d_k.token;
    float* d_v = a.d_v.at(b, kv_head) + key * a.d_v.token;
    const auto scores_of = [&](const float* rows, std::int64_t stride, const float* columns,
                               std::int64_t column_stride, float* result) {
      cpu::gemm_tile<float>({.transpose_b = true,
                             .m = block.rows,
                             .n = keys,
                             .k = s.width,
                             .a = rows,
                             .lda = stride,
                             .b = columns,
                             .ldb = column_stride,
                             .c = result,
                             .ldc = keys});
    };
    const auto add_to_keys = [&](const float* weights, const float* rows, std::int64_t stride,
                                 float* target, std::int64_t target_stride) {
      cpu::gemm_tile<float>({.transpose_a = true,
                             .m = keys,
                             .n = s.width,
                             .k = block.rows,
                             .a = weights,
                             .lda = keys,
                             .b = rows,
                             .ldb = stride,
                             .beta = 1,
                             .c = target,
                             .ldc = target_stride});
    };
    scores_of(q, a.q.token, k, a.k.token, scores);
    scores_of(d_output, a.d_output.token, v, a.v.token, d_scores);
    soften_block_backward(part);
    add_to_keys(scores, d_output, a.d_output.token, d_v, a.d_v.token);
    add_to_keys(d_scores, q, a.q.token, d_k, a.d_k.token);
    cpu::gemm_tile<float>({.m = block.rows,
                           .n = s.width,
                           .k = keys,
                           .a = d_scores,
                           .lda = keys,
                           .b = k,
                           .ldb = a.k.token,
                           .beta = key == block.first_key ? 0.0f : 1.0f,
                           .c = d_q,
                           .ldc = a.d_q.token});
  }
}

}  // namespace

std::int64_t attention_forward_workspace(const AttentionShape&, int threads) {
  return threads * kScores;
}

std::int64_t attention_backward_workspace(const AttentionShape&, int threads) {
  return threads * 2 * kScores;
}

namespace cpu {

template <>
void attention_forward(const AttentionForwardArgs<float>& args, const Context& context) {
  const AttentionShape& s = args.shape;
  check(s);
  const std::int64_t blocks = divide_up(s.queries, kQueryBlock);
  parallel_for_worker(context, s.batch * s.heads * blocks, [&](std::int64_t task, int worker) {
    const std::int64_t pair = task / blocks, query = task % blocks * kQueryBlock;
    forward_task(args, pair / s.heads, pair % s.heads, query, args.workspace + worker * kScores);
  });
}

template <>
void attention_backward(const AttentionBackwardArgs<float>& args, const Context& context) {
  const AttentionShape& s = args.shape;
  check(s);
  require(s.past == 0, "attention", "no backward through a past");
  const std::int64_t group = s.heads / s.kv_heads;
  parallel_for_worker(context, s.batch * s.kv_heads, [&](std::int64_t task, int worker) {
    const std::int64_t b = task / s.kv_heads, kv_head = task % s.kv_heads;
    for (std::int64_t j = 0; j < s.keys(); ++j) {
      std::fill_n(args.d_k.at(b, kv_head) + j * args.d_k.token, s.width, 0.0f);
      std::fill_n(args.d_v.at(b, kv_head) + j * args.d_v.token, s.width, 0.0f);
    }
    for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (std::int64_t query = 0; query < s.queries; query += kQueryBlock) {
        backward_task(args, b, head, query, args.workspace + worker * 2 * kScores);
      }
    }
  });
}

template <>
void attention_forward(const AttentionForwardArgs<double>& args, const Context& context) {
  check(args.shape);
  reference::attention_forward(args, context);
}

template <>
void attention_backward(const AttentionBackwardArgs<double>& args, const Context& context) {
  check(args.shape);
  require(args.shape.past == 0, "attention", "no backward through a past");
  reference::attention_backward(args, context);
}

}  // namespace cpu
}  // namespace peryton::kernels
