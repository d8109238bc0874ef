// The pieces of blocked attention that lie between its products.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/attention/attention.h"

namespace peryton::kernels {

// Elements [begin, end) of a line of scores; may be empty.
struct Visible {
  std::int64_t begin, end;
};

// Scores [queries, keys], each query's keys in a row.
struct SoftmaxBlock {
  float* scores;  // q . k on entry, exp(scale q . k - largest) on exit, 0 where not visible
  std::int64_t rows, keys, stride;
  const Visible* visible;  // [rows]
  float scale;             // positive
  float* largest;          // [rows], running maximum of the scaled scores
  float* sum;              // [rows], running sum of exponentials
  float* output;           // [rows, width], scaled down to the new maximum unless `first`
  std::int64_t output_stride, width;
  bool first;  // the output holds nothing yet
};

// Scores [keys, queries], each key's queries in a row.
struct SoftmaxGradientBlock {
  float* scores;    // q . k on entry, P on exit
  float* d_scores;  // d_output . v on entry, scale * P (d_output . v - D) on exit
  std::int64_t keys, rows, stride;
  const Visible* visible;  // [keys]
  float scale;
  const float* log_sum;  // [rows]
  const float* shared;   // [rows], D of each query
};

void soften_block(const SoftmaxBlock& block);
void divide_block_by_sum(const SoftmaxBlock& block);
void soften_block_backward(const SoftmaxGradientBlock& block);
float dot_of_rows(const float* a, const float* b, std::int64_t width);
// output += sum_j weights[j] * row j; rows `stride` elements apart.
void add_weighted_rows(const float* weights, std::int64_t count, const float* rows,
                       std::int64_t stride, float* output, std::int64_t width);

// What every entry asks of the shape. Throws ArgumentError.
void check_attention(const AttentionShape& shape);

}  // namespace peryton::kernels
