// The pieces of blocked attention that lie between its products.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/common/dtype.h"

namespace peryton::kernels {

// Elements [begin, end) of a line of scores; may be empty.
struct Visible {
  std::int64_t begin, end;
};

// Scores [queries, keys], each query's keys in a row.
template <class T>
struct SoftmaxBlock {
  const float* scores;  // q . k
  T* weights;  // exp(scale q . k - largest), 0 where not visible; may lie where the scores lie
  std::int64_t rows, keys, stride;
  const Visible* visible;  // [rows]
  float scale;             // positive
  float* largest;          // [rows], running maximum of the scaled scores
  float* sum;              // [rows], running sum of exponentials
  float* output;           // [rows, width], scaled down to the new maximum unless `first`
  std::int64_t output_stride, width;
  bool first;  // the output holds nothing yet
};

// Scores [keys, queries], each key's queries in a row. All that has queries has room for a multiple
// of 32 of them; what fills it up may be anything.
template <class T>
struct SoftmaxGradientBlock {
  const float *scores, *d_weights;  // q . k and d_output . v
  // P and scale * P (d_output . v - D); may lie where `scores` and `d_weights` lie.
  T *weights, *d_scores;
  std::int64_t keys, rows, stride;
  const Visible* visible;  // [keys]
  float scale;
  const float* log_sum;  // [rows]
  const float* shared;   // [rows], D of each query
};

// Written for T = float and BFloat16. Lines of weights are filled up with a zero to an even number.
void soften_block(const SoftmaxBlock<float>& block);
void soften_block(const SoftmaxBlock<BFloat16>& block);
void soften_block_backward(const SoftmaxGradientBlock<float>& block);
void soften_block_backward(const SoftmaxGradientBlock<BFloat16>& block);

// Divides row r of [rows, width] by sum[r]; rows `stride` elements apart.
void divide_rows(float* output, std::int64_t stride, std::int64_t rows, std::int64_t width,
                 const float* sum);
float dot_of_rows(const float* a, const float* b, std::int64_t width);
float dot_of_rows(const float* a, const BFloat16* b, std::int64_t width);
// output += sum_j weights[j] * row j; rows `stride` elements apart.
void add_weighted_rows(const float* weights, std::int64_t count, const float* rows,
                       std::int64_t stride, float* output, std::int64_t width);

// Below this many queries, packing keys costs more than it saves, and nothing is rounded.
constexpr std::int64_t kFewQueries = 8;

// What every entry asks of the shape. Throws ArgumentError.
void check_attention(const AttentionShape& shape);

}  // namespace peryton::kernels
