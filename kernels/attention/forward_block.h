// Forward attention of a block of queries of one head, written for floats and bfloat16 pairs
// (attention_panels.h).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "kernels/attention/attention_blocks.h"
#include "kernels/attention/attention_panels.h"
#include "kernels/gemm/round_rows.h"

namespace peryton::kernels {

constexpr std::int64_t kQueryBlock = 24;          // whole panels of rows
constexpr std::int64_t kKeyBlock = 256;           // whole panels of columns
constexpr std::int64_t kStride = kKeyBlock + 16;  // rows of scores do not share lines of the cache

// Where the panels of one head of keys and values lie: columns are keys in the first part, elements
// of a value in the second.
template <class Panels>
struct PackedHead {
  using Element = typename Panels::Element;
  const Panels& panels;
  std::int64_t width;
  Element *keys, *values;

  // Of head `index`, or the end of all, from null: floats for `index` heads.
  static std::int64_t floats(const AttentionShape& s) {
    Parts parts(nullptr);
    parts.next<Element>(keys_size(s));
    parts.next<Element>(values_size(s));
    return parts.floats();
  }
  PackedHead(const Panels& which, const AttentionShape& s, float* workspace, std::int64_t index)
      : panels(which), width(s.width) {
    Parts parts(workspace + index * floats(s));
    keys = parts.next<Element>(keys_size(s));
    values = parts.next<Element>(values_size(s));
  }
  // Those of the block of keys that begins at `key`.
  Element* keys_of(std::int64_t key) const { return keys + key * Panels::stored(width); }
  Element* values_of(std::int64_t key) const {
    return values + key * round_up(width, panels.shape().columns);
  }

 private:
  static std::int64_t keys_size(const AttentionShape& s) {
    return round_up(s.keys(), cpu::kLargestPanel.columns) * Panels::stored(s.width);
  }
  static std::int64_t values_size(const AttentionShape& s) {
    return Panels::stored(s.keys()) * round_up(s.width, cpu::kLargestPanel.columns);
  }
};

// Scratch memory of one worker.
template <class Panels>
struct ForwardScratch {
  using Element = typename Panels::Element;
  float* scores;     // [kQueryBlock][kStride]
  Element* weights;  // the same; floats: where the scores lie
  Element* queries;  // [kQueryBlock][stored width]; floats: none
  float* remainder;  // of multiply_rows; pairs: none

  // Lays the parts out from `memory` and returns their size.
  std::int64_t lay_out(const AttentionShape& s, float* memory) {
    Parts parts(memory);
    scores = parts.next<float>(kQueryBlock * kStride);
    if constexpr (Panels::kRounds) {
      weights = parts.next<Element>(kQueryBlock * kStride);
      queries = parts.next<Element>(kQueryBlock * Panels::stored(s.width));
      remainder = nullptr;
    } else {
      weights = scores;
      queries = nullptr;
      remainder = parts.next<float>(cpu::kLargestPanel.rows * std::max(s.width, kKeyBlock));
    }
    return parts.floats();
  }
};

// A block of queries on its way over the keys.
template <class Panels>
class QueryBlock {
 public:
  using Element = typename Panels::Element;

  QueryBlock(const AttentionForwardArgs<float>& args, std::int64_t b, std::int64_t head,
             std::int64_t query, const ForwardScratch<Panels>& scratch)
      : a_(args), s_(args.shape), b_(b), head_(head), query_(query), t_(scratch) {
    rows_ = std::min(kQueryBlock, s_.queries - query);
    largest_.fill(-std::numeric_limits<float>::infinity());
    for (std::int64_t r = 0; r < rows_; ++r) {
      first_key_ = std::min(first_key_, s_.first_key(b, query + r));
    }
  }

  void over_panels(const Panels& panels) {
    const PackedHead<Panels> packed(panels, s_, a_.workspace, b_ * s_.kv_heads + kv_head());
    const std::int64_t columns = panels.shape().columns;
    const Element* rows = queries_as_rows();
    const std::int64_t row_stride = Panels::kRounds ? Panels::stored(s_.width) : a_.q.token;
    for (std::int64_t block = first_key_ / kKeyBlock * kKeyBlock; block < last_key();
         block += kKeyBlock) {
      // Whole panels that nobody sees are left out at both ends.
      const std::int64_t begin = std::max<std::int64_t>(first_key_ - block, 0) /
                                 cpu::kLargestPanel.columns * cpu::kLargestPanel.columns;
      const std::int64_t keys = std::min(kKeyBlock, last_key() - block) - begin;
      panels.multiply_rows({.a = rows,
                            .a_stride = row_stride,
                            .b = packed.keys_of(block + begin),
                            .m = rows_,
                            .n = round_up(keys, columns),
                            .k = s_.width,
                            .alpha = 1,
                            .beta = 0,
                            .bias = nullptr,
                            .c = t_.scores,
                            .ldc = kStride},
                           t_.remainder);
      soften(block + begin, keys);
      panels.multiply_rows({.a = t_.weights,
                            .a_stride = kStride,
                            .b = packed.values_of(block) + begin * columns,
                            .m = rows_,
                            .n = s_.width,
                            .k = keys,
                            .alpha = 1,
                            .beta = first_ ? 0.0f : 1.0f,
                            .bias = nullptr,
                            .c = output(),
                            .ldc = a_.output.token,
                            .b_depth = std::min(kKeyBlock, s_.keys() - block)},
                           t_.remainder);
      first_ = false;
    }
    finish();
  }

  // For a few queries: keys and values are read where they lie.
  void over_rows() requires(!Panels::kRounds) {
    const float* k = a_.k.at(b_, kv_head());
    const float* v = a_.v.at(b_, kv_head());
    for (std::int64_t key = first_key_; key < last_key(); key += kKeyBlock) {
      const std::int64_t keys = std::min(kKeyBlock, last_key() - key);
      for (std::int64_t j = 0; j < keys; ++j) {
        for (std::int64_t r = 0; r < rows_; ++r) {
          t_.scores[r * kStride + j] =
              dot_of_rows(queries() + r * a_.q.token, k + (key + j) * a_.k.token, s_.width);
        }
      }
      soften(key, keys);
      for (std::int64_t r = 0; r < rows_; ++r) {
        float* row = output() + r * a_.output.token;
        if (first_) std::fill_n(row, s_.width, 0.0f);
        add_weighted_rows(t_.weights + r * kStride, keys, v + key * a_.v.token, a_.v.token, row,
                          s_.width);
      }
      first_ = false;
    }
    finish();
  }

 private:
  std::int64_t kv_head() const { return head_ / (s_.heads / s_.kv_heads); }
  std::int64_t last_key() const { return s_.past + query_ + rows_; }
  const float* queries() const { return a_.q.at(b_, head_) + query_ * a_.q.token; }
  float* output() const { return a_.output.at(b_, head_) + query_ * a_.output.token; }

  const Element* queries_as_rows() const {
    if constexpr (Panels::kRounds) {
      cpu::round_rows(queries(), a_.q.token, rows_, s_.width, Panels::bits(t_.queries),
                      Panels::stored(s_.width));
      return t_.queries;
    } else {
      return queries();
    }
  }

  void soften(std::int64_t key, std::int64_t keys) {
    for (std::int64_t r = 0; r < rows_; ++r) {
      const std::int64_t begin = s_.first_key(b_, query_ + r) - key;
      visible_[r].end = std::clamp<std::int64_t>(s_.past + query_ + r + 1 - key, 0, keys);
      visible_[r].begin = std::clamp<std::int64_t>(begin, 0, visible_[r].end);
    }
    soften_block(SoftmaxBlock<Element>{.scores = t_.scores,
                                       .weights = t_.weights,
                                       .rows = rows_,
                                       .keys = keys,
                                       .stride = kStride,
                                       .visible = visible_.data(),
                                       .scale = static_cast<float>(s_.scale),
                                       .largest = largest_.data(),
                                       .sum = sum_.data(),
                                       .output = output(),
                                       .output_stride = a_.output.token,
                                       .width = s_.width,
                                       .first = first_});
  }

  void finish() const {
    divide_rows(output(), a_.output.token, rows_, s_.width, sum_.data());
    if (a_.log_sum == nullptr) return;
    float* log_sum = a_.log_sum + (b_ * s_.heads + head_) * s_.queries + query_;
    for (std::int64_t r = 0; r < rows_; ++r) log_sum[r] = largest_[r] + std::log(sum_[r]);
  }

  const AttentionForwardArgs<float>& a_;
  const AttentionShape& s_;
  std::int64_t b_, head_, query_, rows_;
  const ForwardScratch<Panels>& t_;
  std::int64_t first_key_ = std::numeric_limits<std::int64_t>::max();
  bool first_ = true;
  std::array<float, kQueryBlock> largest_, sum_{};
  std::array<Visible, kQueryBlock> visible_;
};

}  // namespace peryton::kernels
