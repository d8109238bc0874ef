// Runs attention on random dense operands, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <vector>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_dots.h"
#include "tests/kernels/values.h"

namespace peryton::kernels::test {

enum class AttentionPath { kReference, kFast, kDots };

struct AttentionRun {
  AttentionPath path = AttentionPath::kFast;
  int threads = 1;
  const cpu::PairKernels* kernels = nullptr;  // of kDots
  bool representable = false;                 // operands are values of bfloat16
};

template <class T>
struct Attended {
  std::vector<T> output, log_sum, d_q, d_k, d_v;
};

template <class T>
void run_forward(const AttentionForwardArgs<T>& args, const AttentionRun& run,
                 const Context& context) {
  if constexpr (std::is_same_v<T, float>) {
    if (run.path == AttentionPath::kDots) {
      return cpu::attention_forward_dots(*run.kernels, args, context);
    }
  }
  run.path == AttentionPath::kReference ? cpu::reference::attention_forward(args, context)
                                        : cpu::attention_forward(args, context);
}

template <class T>
void run_backward(const AttentionBackwardArgs<T>& args, const AttentionRun& run,
                  const Context& context) {
  if constexpr (std::is_same_v<T, float>) {
    if (run.path == AttentionPath::kDots) {
      return cpu::attention_backward_dots(*run.kernels, args, context);
    }
  }
  run.path == AttentionPath::kReference ? cpu::reference::attention_backward(args, context)
                                        : cpu::attention_backward(args, context);
}

// Dense [B, T, heads, width] operands; the gradients only without a past.
template <class T>
Attended<T> attend(const AttentionShape& s, const AttentionRun& run = {}) {
  const Context context{.device = {}, .threads = run.threads};
  const std::int64_t q_size = s.batch * s.queries * s.heads * s.width;
  const std::int64_t k_size = s.batch * s.keys() * s.kv_heads * s.width;
  const auto operand = [&](std::int64_t size, std::uint64_t seed) {
    auto values = normals<T>(size, seed);
    if (!run.representable) return values;
    for (T& value : values) value = static_cast<float>(BFloat16(static_cast<float>(value)));
    return values;
  };
  const auto q = operand(q_size, 1), k = operand(k_size, 2), v = operand(k_size, 3);
  const auto d_output = operand(q_size, 4);
  Attended<T> out{std::vector<T>(q_size), std::vector<T>(s.batch * s.heads * s.queries),
                  std::vector<T>(q_size), std::vector<T>(k_size), std::vector<T>(k_size)};
  const auto queries = [&](auto* data) {
    return HeadView<std::remove_pointer_t<decltype(data)>>{data, s.queries * s.heads * s.width,
                                                           s.heads * s.width, s.width};
  };
  const auto keys = [&](auto* data) {
    return HeadView<std::remove_pointer_t<decltype(data)>>{data, s.keys() * s.kv_heads * s.width,
                                                           s.kv_heads * s.width, s.width};
  };
  std::vector<T> workspace(attention_backward_workspace(s, run.threads) +
                           attention_forward_workspace(s, run.threads));
  const AttentionForwardArgs<T> forward{s,
                                        queries(q.data()),
                                        keys(k.data()),
                                        keys(v.data()),
                                        queries(out.output.data()),
                                        out.log_sum.data(),
                                        workspace.data()};
  run_forward(forward, run, context);
  if (s.past > 0) return out;
  const std::vector<T>& o = out.output;
  const AttentionBackwardArgs<T> backward{s,
                                          queries(q.data()),
                                          keys(k.data()),
                                          keys(v.data()),
                                          queries(o.data()),
                                          queries(d_output.data()),
                                          out.log_sum.data(),
                                          queries(out.d_q.data()),
                                          keys(out.d_k.data()),
                                          keys(out.d_v.data()),
                                          workspace.data()};
  run_backward(backward, run, context);
  return out;
}

inline AttentionShape shape_of(std::int64_t batch, std::int64_t queries, std::int64_t heads,
                               std::int64_t kv_heads, std::int64_t width) {
  return {.batch = batch,
          .queries = queries,
          .heads = heads,
          .kv_heads = kv_heads,
          .width = width,
          .scale = 1 / std::sqrt(static_cast<double>(width))};
}

}  // namespace peryton::kernels::test
