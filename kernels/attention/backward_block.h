// Backward attention of one query head against one head of keys, a block of queries after another,
// written for floats and bfloat16 pairs (attention_panels.h).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>

#include "kernels/attention/attention_blocks.h"
#include "kernels/attention/backward_scratch.h"
#include "kernels/gemm/pack_lines.h"
#include "kernels/gemm/round_rows.h"

namespace peryton::kernels {

// Gradients, from where they are summed. Rows of the target lie far apart: they are asked for
// ahead.
inline void store_rows(const float* from, std::int64_t from_stride, std::int64_t rows,
                       std::int64_t width, float* to, std::int64_t to_stride) {
  constexpr std::int64_t kAhead = 8, kCacheLine = 16;
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = to + r * to_stride;
    for (std::int64_t i = 0; i < width; i += kCacheLine) {
      __builtin_prefetch(row + kAhead * to_stride + i, 1);
    }
    std::copy_n(from + r * from_stride, width, row);
  }
}

template <class Panels>
class QueryHead {
 public:
  using Element = typename Panels::Element;

  QueryHead(const Panels& panels, const AttentionBackwardArgs<float>& args, std::int64_t b,
            std::int64_t head, const BackwardScratch<Panels>& scratch)
      : panels_(panels), a_(args), s_(args.shape), b_(b), head_(head), t_(scratch) {}

  // Overwrites the head's d_q, adds to d_k and d_v.
  void all_blocks() {
    for (std::int64_t query = 0; query < s_.queries; query += kQueries) block(query);
  }

 private:
  using Scratch = BackwardScratch<Panels>;
  static constexpr std::int64_t kPanelRows = cpu::kLargestPanel.rows;
  static constexpr std::int64_t kQueries = Scratch::kQueries, kKeys = Scratch::kKeys;

  void block(std::int64_t query) {
    query_ = query;
    rows_ = std::min(kQueries, s_.queries - query);
    pack(a_.q, t_.q_columns, t_.q_elements);
    pack(a_.d_output, t_.d_output_columns, t_.d_output_elements);
    std::int64_t first_key = query;
    for (std::int64_t r = 0; r < rows_; ++r) {
      first_[r] = s_.first_key(b_, query + r);
      first_key = std::min(first_key, first_[r]);
      shared_[r] = shared_of(r);
      log_sum_[r] = a_.log_sum[(b_ * s_.heads + head_) * s_.queries + query + r];
    }
    first_key -= first_key % Panels::kDepths;
    bool first = true;
    for (std::int64_t key = first_key / kKeys * kKeys; key < query + rows_; key += kKeys) {
      const std::int64_t begin = std::max(first_key, key);
      const std::int64_t keys = std::min(key + kKeys, query + rows_) - begin;
      scores(begin, keys);
      add_to_keys(t_.d_v, begin, keys, t_.weights, t_.d_output_elements);
      add_to_keys(t_.d_k, begin, keys, t_.d_scores, t_.q_elements);
      add_to_queries(key, begin, keys, first);
      first = false;
    }
    store_queries();
  }

  std::int64_t kv_head() const { return head_ / (s_.heads / s_.kv_heads); }
  template <class T>
  T* at(const HeadView<T>& queries) const {
    return queries.at(b_, head_) + query_ * queries.token;
  }
  template <class T>
  T* at(const HeadView<T>& keys, std::int64_t key) const {
    return keys.at(b_, kv_head()) + key * keys.token;
  }

  // Columns are queries, and elements of them.
  void pack(const HeadView<const float>& from, Element* columns, Element* elements) const {
    const std::int64_t width = panels_.shape().columns;
    if constexpr (Panels::kRounds) {
      const std::int64_t stride = Panels::stored(s_.width);
      cpu::round_rows(at(from), from.token, rows_, s_.width, Panels::bits(t_.query_rows), stride);
      panels_.pack({t_.query_rows, stride, 1}, rows_, s_.width, width, columns);
      panels_.pack({t_.query_rows, 1, stride}, s_.width, rows_, width, elements);
    } else {
      panels_.pack({at(from), from.token, 1}, rows_, s_.width, width, columns);
      panels_.pack({at(from), 1, from.token}, s_.width, rows_, width, elements);
    }
  }

  // D of a query. Of the rounded d_output, where that is what is multiplied with the values: the
  // gradients of a query's scores must cancel.
  float shared_of(std::int64_t r) const {
    const float* output = at(a_.output) + r * a_.output.token;
    if constexpr (Panels::kRounds) {
      return dot_of_rows(output, t_.query_rows + r * Panels::stored(s_.width), s_.width);
    } else {
      return dot_of_rows(output, at(a_.d_output) + r * a_.d_output.token, s_.width);
    }
  }

  // Calls task(keys from, to, first query) for parts of `keys` keys from `key` on: keys that lie
  // past a step of queries are seen by later ones only.
  template <class F>
  void for_steps(std::int64_t key, std::int64_t keys, F&& task) const {
    const auto whole_panels_before = [&](std::int64_t end) {
      const std::int64_t panels = divide_up(std::max<std::int64_t>(end - key, 0), kPanelRows);
      return std::min(keys, panels * kPanelRows);
    };
    std::int64_t from = 0;
    for (std::int64_t step = 0; step < rows_ && from < keys; step += kStep) {
      const std::int64_t next = step + kStep;
      const std::int64_t to = next < rows_ ? whole_panels_before(query_ + next) : keys;
      if (to > from) task(from, to, step);
      from = to;
    }
  }

  // target [keys, queries] = lines . queries
  void scores_of(const Element* lines, std::int64_t stride, std::int64_t key, std::int64_t keys,
                 const Element* queries, float* target) const {
    for_steps(key, keys, [&](std::int64_t from, std::int64_t to, std::int64_t query) {
      panels_.multiply_rows({.a = lines + (key + from) * stride,
                             .a_stride = stride,
                             .b = queries + query * Panels::stored(s_.width),
                             .m = to - from,
                             .n = round_up(rows_ - query, kStep),
                             .k = s_.width,
                             .alpha = 1,
                             .beta = 0,
                             .bias = nullptr,
                             .c = target + from * Scratch::kStride + query,
                             .ldc = Scratch::kStride},
                            t_.remainder);
    });
  }

  void scores_and_d_weights(std::int64_t key, std::int64_t keys) const {
    if constexpr (Panels::kRounds) {
      const std::int64_t stride = Panels::stored(s_.width);
      scores_of(t_.k_rows, stride, key, keys, t_.q_columns, t_.scores);
      scores_of(t_.v_rows, stride, key, keys, t_.d_output_columns, t_.d_weights);
    } else {
      scores_of(at(a_.k, 0), a_.k.token, key, keys, t_.q_columns, t_.scores);
      scores_of(at(a_.v, 0), a_.v.token, key, keys, t_.d_output_columns, t_.d_weights);
    }
  }

  // P and dS of a block of keys. Query r sees the keys from first_[r] to itself; both bounds grow
  // with r, so the queries that see a key lie together.
  void scores(std::int64_t key, std::int64_t keys) {
    scores_and_d_weights(key, keys);
    std::int64_t end = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      while (end < rows_ && first_[end] <= key + j) ++end;
      const std::int64_t begin = std::max<std::int64_t>(key + j - query_, 0);
      visible_[j] = {std::min(begin, end), end};
    }
    soften_block_backward(SoftmaxGradientBlock<Element>{.scores = t_.scores,
                                                        .d_weights = t_.d_weights,
                                                        .weights = t_.weights,
                                                        .d_scores = t_.d_scores,
                                                        .keys = keys,
                                                        .rows = rows_,
                                                        .stride = Scratch::kStride,
                                                        .visible = visible_.data(),
                                                        .scale = static_cast<float>(s_.scale),
                                                        .log_sum = log_sum_.data(),
                                                        .shared = shared_.data()});
  }

  void add_to_keys(float* sums, std::int64_t key, std::int64_t keys, const Element* factors,
                   const Element* elements) const {
    for_steps(key, keys, [&](std::int64_t from, std::int64_t to, std::int64_t query) {
      panels_.multiply_rows({.a = factors + from * Scratch::kStride + query,
                             .a_stride = Scratch::kStride,
                             .b = elements + query * panels_.shape().columns,
                             .m = to - from,
                             .n = s_.width,
                             .k = rows_ - query,
                             .alpha = 1,
                             .beta = 1,
                             .bias = nullptr,
                             .c = sums + (key + from) * s_.width,
                             .ldc = s_.width,
                             .b_depth = rows_},
                            t_.remainder);
    });
  }

  // The keys from `key` on, of the block that begins at `block`: they are less deep than the
  // block's panels of K, which therefore pass one by one.
  void add_to_queries(std::int64_t block, std::int64_t key, std::int64_t keys, bool first) const {
    const auto [height, columns] = panels_.shape();
    panels_.pack({t_.d_scores, 1, Scratch::kStride}, rows_, keys, columns, t_.d_score_columns);
    const std::int64_t depth = Panels::stored(std::min(kKeys, s_.keys() - block));
    const Element* panel =
        t_.k_panels + block * round_up(s_.width, height) + (key - block) * height;
    for (std::int64_t i = 0; i < s_.width; i += height) {
      for (std::int64_t query = 0; query < rows_; query += kStep) {
        const std::int64_t seen = std::min(keys, query_ + query + kStep - key);
        if (seen <= 0) continue;
        panels_.multiply_panels({.a = panel + i * depth,
                                 .a_stride = 0,
                                 .b = t_.d_score_columns + query * Panels::stored(keys),
                                 .m = std::min(height, s_.width - i),
                                 .n = kStep,
                                 .k = seen,
                                 .alpha = 1,
                                 .beta = first ? 0.0f : 1.0f,
                                 .bias = nullptr,
                                 .c = t_.d_q + i * kQueries + query,
                                 .ldc = kQueries,
                                 .b_depth = keys});
      }
    }
  }

  void store_queries() const {
    const std::int64_t width = Scratch::turned_width(s_);
    cpu::pack_long_float_lines(t_.d_q, kQueries, width, rows_, t_.d_q_rows);
    store_rows(t_.d_q_rows, width, rows_, s_.width, at(a_.d_q), a_.d_q.token);
  }

  const Panels& panels_;
  const AttentionBackwardArgs<float>& a_;
  const AttentionShape& s_;
  std::int64_t b_, head_, query_ = 0, rows_ = 0;
  const BackwardScratch<Panels>& t_;
  std::array<std::int64_t, kQueries> first_;
  std::array<float, kQueries> shared_{}, log_sum_{};
  std::array<Visible, kKeys> visible_;
};

}  // namespace peryton::kernels
