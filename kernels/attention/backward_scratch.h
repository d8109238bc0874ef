// Scratch memory of one worker of backward attention: one head of keys and values, and a block of
// queries of one of its query heads.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_panels.h"

namespace peryton::kernels {

constexpr std::int64_t kStep = 32;  // queries: whole panels of columns of every instruction set

template <class Panels>
struct BackwardScratch {
  using Element = typename Panels::Element;
  // Of a block: whole steps, and whole panels of rows, an even number.
  static constexpr std::int64_t kQueries = 64;
  static constexpr std::int64_t kKeys = 240;
  static constexpr std::int64_t kStride = kQueries + 16;  // rows of scores

  float *scores, *d_weights;    // [kKeys][kStride]
  Element *weights, *d_scores;  // the same; floats: where `scores` and `d_weights` lie
  Element *k_rows, *v_rows;     // all keys and values, rounded, stored(width) apart; floats: none
  Element* query_rows;          // a block of queries, or their gradients, rounded; floats: none
  float* remainder;             // of multiply_rows; pairs: none
  Element* k_panels;            // elements of all keys, block after block
  Element* d_score_columns;     // panels whose columns are queries
  Element *q_columns, *d_output_columns;    // the same
  Element *q_elements, *d_output_elements;  // panels whose columns are elements of a head
  float* d_q;                               // [width][kQueries], turned
  float *d_k, *d_v;                         // [keys][width], sums
  float* d_q_rows;                          // [kQueries][turned_width]

  static std::int64_t turned_width(const AttentionShape& s) { return round_up(s.width, 4); }

  // Lays the parts out from `memory` and returns their size.
  std::int64_t lay_out(const AttentionShape& s, float* memory) {
    constexpr std::int64_t kScores = kKeys * kStride;
    const auto [rows, columns] = cpu::kLargestPanel;
    const std::int64_t depth = Panels::stored(s.width), width = round_up(s.width, columns);
    Parts parts(memory);
    scores = parts.next<float>(kScores);
    d_weights = parts.next<float>(kScores);
    if constexpr (Panels::kRounds) {
      weights = parts.next<Element>(kScores);
      d_scores = parts.next<Element>(kScores);
      k_rows = parts.next<Element>((s.keys() + rows) * depth);
      query_rows = parts.next<Element>(kQueries * depth);
      v_rows = parts.next<Element>((s.keys() + rows) * depth);
      remainder = nullptr;
    } else {
      weights = scores;
      d_scores = d_weights;
      k_rows = v_rows = query_rows = nullptr;
      remainder = parts.next<float>(rows * std::max(s.width, kQueries));
    }
    k_panels = parts.next<Element>(round_up(s.width, rows) * Panels::stored(s.keys()));
    d_score_columns = parts.next<Element>(kQueries * kKeys);
    q_columns = parts.next<Element>(kQueries * depth);
    d_output_columns = parts.next<Element>(kQueries * depth);
    q_elements = parts.next<Element>(kQueries * width);
    d_output_elements = parts.next<Element>(kQueries * width);
    d_k = parts.next<float>(s.keys() * s.width);
    d_v = parts.next<float>(s.keys() * s.width);
    d_q = parts.next<float>(turned_width(s) * kQueries);
    d_q_rows = parts.next<float>(turned_width(s) * kQueries);
    return parts.floats();
  }
};

}  // namespace peryton::kernels
