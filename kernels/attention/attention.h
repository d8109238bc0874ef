// Causal softmax attention without the matrix of scores in memory.
//
// Query i of a row has the absolute position p = past + i; keys and values have positions 0 .. past
// + queries - 1.
//
//   s_ij = scale * q_i . k_j     for first(i) <= j <= p,  first(i) = max(start_i, p - window + 1)
//   l_i  = log sum_j exp(s_ij)
//   o_i  = sum_j exp(s_ij - l_i) v_j
//
// start_i is the first token of the query's document. Several query heads may share one head of
// keys and values: query head h reads head h / (heads / kv_heads).
//
// Backward (Dao et al. 2022, section 3.1), P_ij = exp(s_ij - l_i), D_i = do_i . o_i:
//   dv_j = sum_i P_ij do_i;  dS_ij = P_ij (do_i . v_j - D_i);  dq_i = scale sum_j dS_ij k_j;
//   dk_j = scale sum_i dS_ij q_i, summed over the query heads that share j.
//
// With Context::bf16_dots and at least eight queries every factor of these products, P and dS among
// them, is rounded to bfloat16; sums, the softmax and D_i (of the rounded do_i) stay float.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/common/context.h"

namespace peryton::kernels {

// Heads of one matrix: element (b, t, h, i) is at data[b * batch + t * token + h * head + i].
template <class T>
struct HeadView {
  T* data = nullptr;
  std::int64_t batch = 0, token = 0, head = 0;
  T* at(std::int64_t b, std::int64_t h) const { return data + b * batch + h * head; }
  template <class S>
  requires std::is_same_v<S, const T>
  operator HeadView<S>() const {  // NOLINT: T to const T
    return {data, batch, token, head};
  }
};

struct AttentionShape {
  std::int64_t batch, queries, heads, kv_heads, width;
  std::int64_t past = 0;    // keys before the first query
  std::int64_t window = 0;  // 0: no limit
  double scale;
  // [batch, queries]: first token of the document of each query; null: 0. Only with past = 0.
  const std::int32_t* document_start = nullptr;

  std::int64_t keys() const { return past + queries; }
  // The first key that query i of row b sees; the last is past + i.
  std::int64_t first_key(std::int64_t b, std::int64_t i) const {
    const std::int64_t start = document_start != nullptr ? document_start[b * queries + i] : 0;
    const std::int64_t oldest = window > 0 ? past + i - window + 1 : 0;
    return start > oldest ? start : oldest;
  }
};

template <class T>
struct AttentionForwardArgs {
  AttentionShape shape;
  HeadView<const T> q, k, v;
  HeadView<T> output;
  T* log_sum;    // [batch, heads, queries], l_i; or null
  T* workspace;  // attention_forward_workspace(shape, threads) elements
};

template <class T>
struct AttentionBackwardArgs {
  AttentionShape shape;  // past = 0
  HeadView<const T> q, k, v, output, d_output;
  const T* log_sum;
  HeadView<T> d_q, d_k, d_v;  // overwritten
  T* workspace;               // attention_backward_workspace(shape, threads) elements
};

// Elements of scratch memory for a team of `threads`.
std::int64_t attention_forward_workspace(const AttentionShape& shape, int threads);
std::int64_t attention_backward_workspace(const AttentionShape& shape, int threads);

namespace cpu {

// Instantiated for float and double; a caller with bfloat16 widens first.
template <class T>
void attention_forward(const AttentionForwardArgs<T>& args, const Context& context);
template <class T>
void attention_backward(const AttentionBackwardArgs<T>& args, const Context& context);

namespace reference {
template <class T>
void attention_forward(const AttentionForwardArgs<T>& args, const Context& context);
template <class T>
void attention_backward(const AttentionBackwardArgs<T>& args, const Context& context);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
